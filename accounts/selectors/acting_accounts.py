"""The account behind a command of GitLab Shell that is not about a repository: second factor, recovery codes, tokens."""

from dataclasses import dataclass

from accounts.errors import CommandRefusedError
from accounts.models import KeyKind, SSHKey, User
from accounts.selectors.actors import ACTOR_SQL, ActorReference
from internal_api.statements import fetch_row


@dataclass(frozen=True, slots=True)
class ActingAccount:
    """Whom a request names. A session by certificate or Kerberos has a user and no key."""

    key: SSHKey | None
    user: User | None

    @property
    def is_deploy_key(self) -> bool:
        return self.key is not None and self.key.kind == KeyKind.DEPLOY

    @property
    def key_id(self) -> int | None:
        return self.key.pk if self.key else None

    def person(self, *, user_id_given: bool = False) -> User:
        """The user, who may act. Raises CommandRefusedError with the texts of shell-endpoints 1.3.

        A user that is named without a key is as good as one behind a key (contract: decisions 9).
        """
        if self.user is None:
            if user_id_given:
                raise CommandRefusedError("Could not find the given user")
            raise CommandRefusedError("Could not find the given key" if self.key is None else "Could not find a user for the given key")
        if self.key is not None and not self.is_deploy_key and self.user.ssh_keys_disabled:
            raise CommandRefusedError("SSH keys are disabled for this user")
        return self.user


def find_acting_account(reference: ActorReference) -> ActingAccount:
    """Whom the reference names, whatever the account's state; three statements at most."""
    row = fetch_row(ACTOR_SQL[reference.kind], {"actor": reference.value})
    key_id, user_id = row or (None, None)
    key = SSHKey.objects.filter(pk=key_id).first() if key_id is not None else None
    user: User | None = User.objects.filter(pk=user_id).first() if user_id is not None else None
    return ActingAccount(key, user)
