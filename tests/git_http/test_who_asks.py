"""Who sends a request (contract: git-http 2.3 to 2.5, 8.2)."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from accounts.models import PersonalAccessToken, User
from accounts.services.personal_access_tokens import create_token, revoke
from internal_api.models import InstanceSettings
from repositories.models import Project, Visibility
from repositories.services.access import set_member
from tests.factories import SSHKeyFactory, UserFactory
from tests.git_http.conftest import PASSWORD, PULL, PUSH, Git, allowed, basic, refused

DEACTIVATED = (
    "Your account has been deactivated by your administrator. "
    "Please log back in from a web browser to reactivate your account at http://localhost:3001"
)
TERMS = (
    "You (@ann) must accept the Terms of Service in order to perform this action. "
    "To accept these terms, please access GitLab from a web browser at http://localhost:3001."
)
BANNED = "Too many failed authentication attempts from this IP"
TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def ann(people: dict[str, User]) -> User:
    """Somebody with a password."""
    person = people["ann"]
    person.set_password(PASSWORD)
    person.save()
    return person


def change_instance(**fields: Any) -> None:
    row = InstanceSettings.stored()
    for name, value in fields.items():
        setattr(row, name, value)
    row.save()


def change(row: Any, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(row, name, value)
    row.save()


def test_anybody_pulls_a_public_project(git: Git) -> None:
    """contract: git-http 23."""
    for body in allowed(git.both("pub/lic", PULL)):
        assert (body["GL_ID"], body["GL_USERNAME"], body["GL_REPOSITORY"]) == ("", None, "project-8")
        assert body["NeedAudit"] is False


def test_nobody_pulls_an_internal_project(git: Git, project7: Project) -> None:
    """contract: git-http 25."""
    change(project7, visibility=Visibility.INTERNAL)
    refused(git.both("gnuwget/wget2", PULL), 401)


def test_private_and_unknown_projects_are_answered_alike(git: Git) -> None:
    """contract: git-http 26."""
    hidden, missing = git.both("gnuwget/wget2", PULL), git.both("gnuwget/nothing", PULL)
    refused([*hidden, *missing], 401)
    assert len({answer.content for answer in [*hidden, *missing]}) == 1


def test_wrong_credentials_are_never_anonymous(git: Git, ann: User) -> None:
    """contract: git-http 28, 29, 32."""
    for given in (basic("ann", "wrong"), basic("ann", ""), basic("ann", "   "), "Basic %%%", "Basic", "Basic " + "eA=="):
        refused(git.both("pub/lic", PULL, given), 401)
    no_text = "Basic " + base64.b64encode(b"ann:\xff\xfe").decode()
    refused(git.both("pub/lic", PULL, no_text), 401)


def test_credentials_with_a_nul_are_wrong_ones(git: Git, ann: User) -> None:
    refused(git.both("pub/lic", PULL, basic("ann\x00", "x")), 401)
    refused(git.both("pub/lic", PULL, basic("ann", "x\x00")), 401)


def test_another_scheme_counts_as_no_credentials(git: Git, pat: Callable[..., str], people: dict[str, User]) -> None:
    """contract: git-http 31."""
    _, clear = create_token(user=people["ann"], name="bearer", scopes=["api"], expires_at=None)
    refused(git.both("gnuwget/wget2", PULL, f"Bearer {clear}"), 401)
    allowed(git.both("pub/lic", PULL, f"Bearer {clear}"))


def test_the_scheme_is_compared_case_insensitively(git: Git, pat: Callable[..., str]) -> None:
    for scheme in ("basic", "BASIC"):
        allowed(git.both("gnuwget/wget2", PULL, pat("ann").replace("Basic", scheme)))


def test_a_token_with_all_rights_pulls_and_pushes(git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 34."""
    token = pat("ann", "api")
    for body in allowed(git.both("gnuwget/wget2", PULL, token) + git.both("gnuwget/wget2", PUSH, token)):
        assert body["GL_USERNAME"] == "ann"


def test_the_user_part_is_ignored_beside_a_token(git: Git, people: dict[str, User]) -> None:
    """contract: git-http 2.3 row 2: empty, or somebody else's."""
    _, clear = create_token(user=people["ann"], name="named", scopes=["api"], expires_at=None)
    for user in ("", "max", "gitlab-ci-token", "x:y"[:1]):
        [body] = allowed([git.info_refs("gnuwget/wget2", PULL, basic(user, clear))])
        assert body["GL_USERNAME"] == "ann"


@pytest.mark.parametrize(
    ("scopes", "pulls", "pushes"),
    [
        (["read_repository"], True, False),  # 35
        (["read_api"], True, False),  # 37
        (["write_repository"], True, True),  # 38
        (["read_user"], False, False),  # 40
        (["create_runner", "k8s_proxy", "read_registry", "self_rotate"], False, False),
        (["read_user", "read_repository"], True, False),
    ],
)
def test_scopes(git: Git, pat: Callable[..., str], scopes: list[str], pulls: bool, pushes: bool) -> None:
    """contract: git-http 35, 37, 38, 40."""
    token = pat("ann", *scopes)
    for path in ("gnuwget/wget2", "pub/lic"):  # although public
        answers = git.both(path, PULL, token)
        allowed(answers) if pulls else refused(answers, 403, "You are not allowed to download code.")
        answers = git.both(path, PUSH, token)
        allowed(answers) if pushes else refused(answers, 403, "You are not allowed to upload code.")


def test_a_token_that_is_over(git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 41: its last day counts as expired."""
    expired, revoked, live = pat("ann"), pat("ann"), pat("ann")
    rows = list(PersonalAccessToken.objects.order_by("pk"))
    today = timezone.now().date()
    change(rows[0], expires_at=today)
    revoke(rows[1])
    change(rows[2], expires_at=today + timedelta(days=1))
    for token in (expired, revoked):
        refused(git.both("gnuwget/wget2", PULL, token), 401)
        refused(git.both("pub/lic", PULL, token), 401)
    allowed(git.both("gnuwget/wget2", PULL, live))


def test_a_deactivated_account_reads_why(git: Git, pat: Callable[..., str], ann: User) -> None:
    """contract: git-http 43."""
    change(ann, state="deactivated")
    refused(git.both("gnuwget/wget2", PULL, pat("ann")), 403, DEACTIVATED)


def test_terms_that_were_not_accepted(git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 44."""
    change_instance(enforce_terms=True)
    refused(git.both("gnuwget/wget2", PULL, pat("ann")), 403, TERMS)


@pytest.mark.parametrize("state", ["blocked", "ldap_blocked", "banned", "blocked_pending_approval"])
def test_a_blocked_account_is_401_whatever_the_project(git: Git, pat: Callable[..., str], ann: User, state: str) -> None:
    """contract: git-http 2.3: nothing tells a blocked account what exists."""
    change(ann, state=state)
    answers = [answer for path in ("gnuwget/wget2", "pub/lic", "no/where") for answer in git.both(path, PULL, pat("ann"))]
    refused(answers, 401)
    assert len({answer.content for answer in answers}) == 1
    refused(git.both("pub/lic", PULL, basic("ann", PASSWORD)), 401)


def test_an_unconfirmed_address_keeps_out_where_confirmation_is_hard(git: Git, pat: Callable[..., str], ann: User) -> None:
    change(ann, email_confirmed=False)
    token = pat("ann")
    allowed(git.both("gnuwget/wget2", PULL, token))
    change_instance(email_confirmation="hard")
    refused(git.both("gnuwget/wget2", PULL, token), 401)
    User.objects.filter(pk=ann.pk).update(created_at=timezone.now() - timedelta(days=4))
    change_instance(email_confirmation="soft")
    refused(git.both("gnuwget/wget2", PULL, token), 403)


def test_an_expired_password_keeps_out(git: Git, pat: Callable[..., str], ann: User) -> None:
    change(ann, password_expires_at=timezone.now() - timedelta(days=1))
    refused(git.both("gnuwget/wget2", PULL, pat("ann")), 401)
    change(ann, ldap=True)
    allowed(git.both("gnuwget/wget2", PULL, pat("ann")))


@pytest.mark.parametrize("user_type", ["service_account", "project_bot"])
def test_a_service_account_sees_its_projects_only(git: Git, pat: Callable[..., str], project7: Project, user_type: str) -> None:
    """contract: git-http 46."""
    member = UserFactory.create(username="robot", user_type=user_type)
    other = UserFactory.create(username="other", user_type=user_type)
    set_member(project7, member, 30)
    allowed(git.both("gnuwget/wget2", PULL, pat(member.username)))
    hidden = git.both("gnuwget/wget2", PULL, pat(other.username))
    missing = git.both("gnuwget/nothing", PULL, pat(other.username))
    refused([*hidden, *missing], 401)
    assert len({answer.content for answer in [*hidden, *missing]}) == 1


def test_a_service_account_has_no_password(git: Git, project7: Project) -> None:
    robot = UserFactory.create(username="robot", user_type="service_account")
    robot.set_password(PASSWORD)
    robot.save()
    set_member(project7, robot, 30)
    refused(git.both("gnuwget/wget2", PULL, basic("robot", PASSWORD)), 401)


def test_a_password_by_username_or_primary_address(git: Git, ann: User) -> None:
    """contract: git-http 47."""
    for login in ("ann", "ANN", "ann@example.com", "Ann@Example.COM"):
        given = basic(login, PASSWORD)
        allowed(git.both("gnuwget/wget2", PULL, given) + git.both("gnuwget/wget2", PUSH, given))


def test_a_password_beside_a_second_factor_is_refused(git: Git, ann: User) -> None:
    """contract: git-http 2.3 row 3."""
    change(ann, otp_secret=TOTP)
    refused(git.both("gnuwget/wget2", PULL, basic("ann", PASSWORD)), 401)


def test_a_second_factor_for_git_does_not_reach_http(git: Git, pat: Callable[..., str], ann: User) -> None:
    """contract: git-http 49."""
    change(ann, otp_secret=TOTP)
    change_instance(require_two_factor_for_git=True)
    token = pat("ann")
    allowed(git.both("gnuwget/wget2", PULL, token) + git.both("gnuwget/wget2", PUSH, token))


def test_passwords_can_be_switched_off(git: Git, pat: Callable[..., str], ann: User) -> None:
    """contract: git-http 50."""
    change_instance(password_authentication_enabled_for_git=False)
    refused(git.both("gnuwget/wget2", PULL, basic("ann", PASSWORD)), 401)
    allowed(git.both("gnuwget/wget2", PULL, pat("ann")))


def test_an_lfs_token_is_good_below_lfs_paths_only(git: Git, shell: Client, people: dict[str, User]) -> None:
    """contract: git-http 52."""
    SSHKeyFactory.create(id=11, user=people["ann"])
    answer = shell.post(
        "/api/v4/internal/lfs_authenticate", {"key_id": "11", "project": "gnuwget/wget2"}, content_type="application/json"
    ).json()
    refused(git.both("gnuwget/wget2", PULL, basic(answer["username"], answer["lfs_token"])), 401)


def test_a_locked_account_keeps_its_tokens(git: Git, pat: Callable[..., str], shell: Client, ann: User) -> None:
    """contract: git-http LD9, decisions 14d: nobody can stop somebody's pipelines by guessing; not even at the hook of the push."""
    User.objects.filter(pk=ann.pk).update(locked_at=timezone.now())
    token = pat("ann")
    allowed(git.both("gnuwget/wget2", PULL, token) + git.both("gnuwget/wget2", PUSH, token))
    refused(git.both("gnuwget/wget2", PULL, basic("ann", PASSWORD)), 401)
    hook = {
        "action": PUSH,
        "gl_repository": "project-7",
        "protocol": "http",
        "user_id": str(ann.pk),
        "changes": f"{'0' * 40} {'a' * 40} refs/heads/topic",
    }
    assert shell.post("/api/v4/internal/allowed", hook, content_type="application/json").status_code == 200
    over_ssh = {**hook, "protocol": "ssh"}
    assert shell.post("/api/v4/internal/allowed", over_ssh, content_type="application/json").status_code == 401


def test_a_sign_in_lock_closes_nothing(git: Git, ann: User) -> None:
    """Decisions 14d: the lock of the admin site has nothing to do with Git."""
    User.objects.filter(pk=ann.pk).update(sign_in_locked_at=timezone.now(), failed_sign_ins=10)
    allowed(git.both("gnuwget/wget2", PULL, basic("ann", PASSWORD)))


def test_too_many_failures_ban_an_address(git: Git, pat: Callable[..., str], store: Any, settings: Settings) -> None:
    """contract: git-http 53, 56: credentials from there are refused, right ones too; anonymous pulls go on; after the ban all is well."""
    token, there, elsewhere = pat("ann"), "203.0.113.5", "203.0.113.6"
    settings.GIT_HTTP_BAN_SECONDS = 2
    for attempt in range(10):
        refused([git.info_refs("gnuwget/wget2", PULL, basic("ann", f"wrong {attempt}"), x_forwarded_for=there)], 401)
    refused(git.both("gnuwget/wget2", PULL, token, x_forwarded_for=there), 403, BANNED)
    allowed(git.both("pub/lic", PULL, x_forwarded_for=there))
    allowed(git.both("gnuwget/wget2", PULL, token, x_forwarded_for=elsewhere))
    _end_of_ban(store, there)
    allowed(git.both("gnuwget/wget2", PULL, token, x_forwarded_for=there))


def _end_of_ban(store: Any, address: str) -> None:
    """What the passing of its time does to a ban."""
    key = f"git_http_credentials:ban:{address}"
    assert store.get(key) is not None
    store.put(key, "banned", 0) if not hasattr(store, "client") else store.forget(key)


def test_nine_failures_and_a_success_begin_anew(git: Git, pat: Callable[..., str], store: Any) -> None:
    """contract: git-http 2.5: a success resets the counter."""
    token, there = pat("ann"), "203.0.113.5"
    for _ in range(3):
        for attempt in range(9):
            refused([git.info_refs("gnuwget/wget2", PULL, basic("ann", f"wrong {attempt}"), x_forwarded_for=there)], 401)
        allowed([git.info_refs("gnuwget/wget2", PULL, token, x_forwarded_for=there)])


def test_requests_without_credentials_and_trusted_addresses_are_not_counted(git: Git, pat: Callable[..., str], store: Any) -> None:
    """contract: git-http 55."""
    there, token = "203.0.113.5", pat("ann")
    for _ in range(20):
        refused([git.info_refs("gnuwget/wget2", PULL, x_forwarded_for=there)], 401)
    allowed([git.info_refs("gnuwget/wget2", PULL, token, x_forwarded_for=there)])
    for _ in range(20):
        refused([git.info_refs("gnuwget/wget2", PULL, basic("ann", "wrong"))], 401)
    allowed([git.info_refs("gnuwget/wget2", PULL, token)])


def test_a_token_that_is_over_is_no_guess(git: Git, pat: Callable[..., str], store: Any) -> None:
    """Somebody was given it: a forgotten job with an old token keeps nobody else of its office out."""
    expired, live = pat("ann"), pat("max")
    PersonalAccessToken.objects.filter(user__username="ann").update(revoked=True)
    for _ in range(20):
        refused([git.info_refs("gnuwget/wget2", PULL, expired, x_forwarded_for="203.0.113.5")], 401)
    allowed([git.info_refs("gnuwget/wget2", PULL, live, x_forwarded_for="203.0.113.5")])


def test_failures_can_go_uncounted(git: Git, pat: Callable[..., str], store: Any, settings: Settings) -> None:
    """contract: git-http LD5: 0 switches it off."""
    settings.GIT_HTTP_FAILURES = 0
    for _ in range(20):
        refused([git.info_refs("gnuwget/wget2", PULL, basic("ann", "wrong"), x_forwarded_for="203.0.113.5")], 401)
    allowed([git.info_refs("gnuwget/wget2", PULL, pat("ann"), x_forwarded_for="203.0.113.5")])


def test_a_forged_address_before_the_proxys_is_not_believed(git: Git, pat: Callable[..., str], store: Any) -> None:
    """contract: git-http 1.5: the list is read from the right."""
    for attempt in range(10):
        forged = f"198.51.100.{attempt}, 203.0.113.5, 127.0.0.1"
        refused([git.info_refs("gnuwget/wget2", PULL, basic("ann", "wrong"), x_forwarded_for=forged)], 401)
    refused([git.info_refs("gnuwget/wget2", PULL, pat("ann"), x_forwarded_for="203.0.113.5")], 403, BANNED)


def test_wrong_passwords_touch_no_account(git: Git, ann: User, store: Any) -> None:
    """contract: git-http 2.5: a stranger locks nobody."""
    for _ in range(15):
        git.info_refs("gnuwget/wget2", PULL, basic("ann", "wrong"), x_forwarded_for="203.0.113.5")
    ann.refresh_from_db()
    assert (ann.failed_attempts, ann.locked_at, ann.failed_sign_ins, ann.sign_in_locked_at) == (0, None, 0, None)


def test_a_pull_costs_one_query_more_than_allowed(
    git: Git, pat: Callable[..., str], django_assert_num_queries: DjangoAssertNumQueries, settings: Settings
) -> None:
    """The look-up of the token, with the state of the client's address in it; an anonymous pull costs none."""
    settings.REDIS_URL = ""
    token = pat("ann")
    git.both("gnuwget/wget2", PULL, token, x_forwarded_for="203.0.113.5")  # the day's activity and use are noted
    for command in (PULL, PUSH):
        with django_assert_num_queries(2):
            git.info_refs("gnuwget/wget2", command, token, x_forwarded_for="203.0.113.5")
        with django_assert_num_queries(2):
            git.post("gnuwget/wget2", command, token, x_forwarded_for="203.0.113.5")
    with django_assert_num_queries(1):
        git.info_refs("pub/lic", PULL, x_forwarded_for="203.0.113.5")
    with django_assert_num_queries(1):
        git.info_refs("gnuwget/wget2", PULL)


def test_a_password_is_hashed_whoever_is_named(git: Git, ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every failure takes the same time: of people who exist, who do not, and who may not use a password."""
    hashed: list[str] = []

    def hash_one(_: User, raw: str) -> bool:
        hashed.append(raw)
        return False

    monkeypatch.setattr(User, "check_password", hash_one)
    monkeypatch.setattr(User, "set_password", hash_one)
    UserFactory.create(username="nopass")
    for login in ("ann", "nobody", "nopass"):
        refused([git.info_refs("gnuwget/wget2", PULL, basic(login, "wrong"))], 401)
    assert hashed == ["wrong"] * 3


@pytest.mark.parametrize("prefix", ["glpat-", "glsoat-", "glagent-"])
def test_what_looks_like_a_token_is_no_password(git: Git, ann: User, prefix: str) -> None:
    """contract: git-http 2.3 row 3."""
    ann.set_password(prefix + "my password")
    ann.save()
    refused(git.both("gnuwget/wget2", PULL, basic("ann", prefix + "my password")), 401)


def test_unreadable_scopes_are_none(git: Git, pat: Callable[..., str], caplog: pytest.LogCaptureFixture) -> None:
    """A stored value that cannot be read opens nothing."""
    token = pat("ann")
    PersonalAccessToken.objects.update(scopes=[1])
    refused(git.both("gnuwget/wget2", PULL, token), 403, "You are not allowed to download code.")
