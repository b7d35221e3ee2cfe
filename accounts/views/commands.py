"""What the endpoints behind GitLab Shell's own commands share."""

from typing import Any

from accounts.errors import CommandRefusedError
from accounts.selectors.acting_accounts import ActingAccount, find_acting_account
from accounts.selectors.actors import actor_reference
from accounts.services.ssh_keys import record_key_use
from internal_api.errors import DomainError
from internal_api.logs import note
from internal_api.parameters import Parameters
from internal_api.views.base import ShellViewSet


class CommandViewSet(ShellViewSet):
    """A command over SSH. A refusal is told with status 200 and `success: false`."""

    def acting_account(self, parameters: Parameters) -> ActingAccount:
        """Whom the request names; the use of a key is written down."""
        account = find_acting_account(actor_reference(parameters))
        record_key_use(account.key)
        note(self.request, actor=f"user-{account.user.pk}" if account.user else None, key_id=account.key_id)
        return account

    def error_body(self, error: DomainError) -> dict[str, Any]:
        if isinstance(error, CommandRefusedError):
            note(self.request, refusal=error.message)
            return {"success": False, "message": error.message}
        return super().error_body(error)
