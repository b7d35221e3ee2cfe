"""Making and changing users, keys and tokens."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.errors import InvalidAccountError, InvalidKeyError, InvalidTokenRequestError
from accounts.models import PersonalAccessToken, SSHKey, User
from accounts.services.personal_access_tokens import create_token, revoke
from accounts.services.ssh_keys import add_deploy_key, add_user_key, revoke_key
from accounts.services.users import block, change_user, create_user, ghost_user, set_extra_emails, set_password, unblock
from internal_api.digests import token_digest
from internal_api.models import InstanceSettings
from repositories.models import Namespace, Route
from repositories.services.namespaces import create_group
from tests import public_keys
from tests.factories import UserFactory


def test_a_user_comes_with_a_namespace_of_the_same_path(ann: User) -> None:
    namespace = Namespace.objects.get(owner=ann)
    assert (namespace.route.path, namespace.root, namespace.lineage.get().depth) == ("ann", namespace, 0)


@pytest.mark.parametrize("username", ["", "-ann", "ann.", "ann-", "ann bob", "ann/bob", "änn", "a" * 256, "ann\n"])
def test_a_name_that_cannot_be_one(db: None, username: str) -> None:
    with pytest.raises(InvalidAccountError):
        create_user(username=username, email="ann@example.com")
    assert not User.objects.exists()


def test_names_and_addresses_are_taken_in_any_letter_case(ann: User) -> None:
    for username, email in [("Ann", "other@example.com"), ("bob", "ANN@example.com")]:
        with pytest.raises(InvalidAccountError):
            create_user(username=username, email=email)


def test_a_group_and_a_user_cannot_have_the_same_path(ann: User, db: None) -> None:
    create_group(path="acme")
    with pytest.raises(InvalidAccountError):
        create_user(username="ACME", email="acme@example.com")
    assert not User.objects.filter(username="ACME").exists()
    with pytest.raises(IntegrityError), transaction.atomic():
        Route.objects.create(path="AnN", namespace=Namespace.objects.get(path="acme"))


def test_a_further_address_belongs_to_one_user(ann: User) -> None:
    bob = UserFactory.create(username="bob")
    assert set_extra_emails(ann, ["x@example.com"])
    assert not set_extra_emails(ann, ["x@example.com"])
    with pytest.raises(InvalidAccountError):
        set_extra_emails(bob, ["X@example.com"])
    assert set_extra_emails(ann, [])


def test_blocking_and_unblocking(ann: User) -> None:
    assert [block(ann), block(ann), unblock(ann), unblock(ann)] == [True, False, True, False]
    assert ann.is_active
    with pytest.raises(InvalidAccountError):
        change_user(ann, email="not an address")


def test_only_an_active_administrator_enters_the_admin_site(ann: User) -> None:
    def doors() -> tuple[bool, bool, bool]:
        return ann.is_staff, ann.has_perm("anything"), ann.has_module_perms("accounts")

    assert doors() == (False, False, False)
    ann.admin = True
    assert doors() == (True, True, True)
    ann.state = "blocked"
    assert doors() == (False, False, False)


def test_there_is_one_ghost(db: None) -> None:
    assert ghost_user() == ghost_user()
    assert ghost_user().user_type == "ghost"


def test_the_ghost_finds_another_name_when_his_is_taken(db: None) -> None:
    UserFactory.create(username="ghost")
    assert ghost_user().username != "ghost"


def test_a_key_belongs_to_one_place_only(ann: User) -> None:
    add_user_key(user=ann, key=public_keys.ED25519)
    with pytest.raises(InvalidKeyError, match="in use already"):
        add_user_key(user=UserFactory.create(username="bob"), key=public_keys.ED25519 + " other comment")
    with pytest.raises(InvalidKeyError, match="in use already"):
        add_deploy_key(key=public_keys.ED25519)


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        (public_keys.RSA_1024, "The key must be at least 2048 bits."),
        ("nonsense", "A public key starts with its type"),
    ],
)
def test_a_key_that_is_not_accepted(ann: User, key: str, sentence: str) -> None:
    with pytest.raises(InvalidKeyError, match=sentence):
        add_user_key(user=ann, key=key)
    assert not SSHKey.objects.exists()


def test_a_type_that_is_not_wanted_and_a_key_that_has_expired(ann: User) -> None:
    InstanceSettings(allowed_key_types=["ssh-rsa"]).save()
    with pytest.raises(InvalidKeyError, match=r"The key's type is forbidden\. Must be ssh-rsa\."):
        add_user_key(user=ann, key=public_keys.ED25519)
    with pytest.raises(InvalidKeyError, match="has expired already"):
        add_user_key(user=ann, key=public_keys.RSA_2048, expires_at=timezone.now() - timedelta(days=1))


def test_a_revoked_key_is_gone(ann: User) -> None:
    revoke_key(add_user_key(user=ann, key=public_keys.ED25519))
    assert not SSHKey.objects.exists()


def test_of_a_token_only_the_digest_is_kept(ann: User) -> None:
    row, clear = create_token(user=ann, name="ci", scopes=["api"], expires_at=None)
    assert clear.startswith("glpat-")
    assert clear not in str(PersonalAccessToken.objects.values().get())
    assert row.token_digest == token_digest(clear)
    with pytest.raises(InvalidTokenRequestError):
        create_token(user=ann, name="again", scopes=["api"], expires_at=None, token=clear)
    with pytest.raises(InvalidTokenRequestError):
        create_token(user=ann, name="more", scopes=["api", "sudo"], expires_at=None)


def test_a_token_is_usable_until_it_is_revoked_or_its_day_has_come(ann: User) -> None:
    today = timezone.now().date()
    row, _ = create_token(user=ann, name="ci", scopes=["api"], expires_at=today + timedelta(days=1))
    assert row.is_usable()
    assert [revoke(row), revoke(row)] == [True, False]
    row.refresh_from_db()
    assert not row.is_usable()
    assert not create_token(user=ann, name="old", scopes=["api"], expires_at=date(2020, 1, 1))[0].is_usable()


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["user", "key"])
def test_of_two_who_take_the_same_name_one_gets_it(what: str) -> None:
    """Real threads: the constraint decides, the loser is told in a sentence."""
    owner = UserFactory.create(username="owner")

    def take(_: int) -> bool:
        try:
            if what == "user":
                create_user(username="ann", email="ann@example.com")
            else:
                add_user_key(user=owner, key=public_keys.ED25519)
        except (InvalidAccountError, InvalidKeyError):
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(take, range(6))) == 1


@pytest.mark.parametrize("password", ["short", "password1234", "12345"])
def test_a_password_is_judged_wherever_it_is_set(db: None, password: str) -> None:
    with pytest.raises(InvalidAccountError, match="The password of 'ann' is not accepted"):
        create_user(username="ann", email="ann@example.com", password=password)
    ann = create_user(username="ann", email="ann@example.com")
    with pytest.raises(InvalidAccountError):
        set_password(ann, password)
    set_password(ann, "correct horse battery")
    assert ann.check_password("correct horse battery")
