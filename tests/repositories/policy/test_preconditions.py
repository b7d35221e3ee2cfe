"""Rules that hold whatever is asked for (contract: allowed 2.4, 2.6, 2.7, 4.3, 10.3, 10.6)."""

from dataclasses import replace

import pytest

from repositories.policy import AccessRequest, Action, Actor, Allowed, Denied, Instance, Key, KeyKind, Reason, Role, User, decide
from tests.repositories.policy.questions import PULL, PUSH, READING_KEY, ask, member, project

DEVELOPER = member(Role.DEVELOPER)
ROCKETS = project()


def reason_of(request: AccessRequest) -> Reason | None:
    verdict = decide(request)
    return verdict.reason if isinstance(verdict, Denied) else None


def message_of(request: AccessRequest) -> str | None:
    verdict = decide(request)
    return verdict.message if isinstance(verdict, Denied) else None


def account(**fields: object) -> Actor:
    return Actor(key=Key(11), user=replace(User(7, "ann", role=Role.OWNER), **fields))  # type: ignore[arg-type]  # any field of User


BLOCKED = "Your account has been blocked."
INTERNAL = "This action cannot be performed by internal users"


@pytest.mark.parametrize(
    ("actor", "message"),
    [
        pytest.param(account(user_type="support_bot"), INTERNAL, id="allowed 2.6 row 1"),
        pytest.param(account(user_type="ghost"), INTERNAL, id="allowed 2.6 row 1: ghost"),
        pytest.param(account(user_type="alert_bot", state="blocked"), INTERNAL, id="an internal user that is blocked too"),
        pytest.param(
            account(state="blocked_pending_approval"),
            "Your account is pending approval from your administrator and hence blocked.",
            id="allowed 2.6 row 2",
        ),
        pytest.param(
            account(state="deactivated"),
            "Your account has been deactivated by your administrator. Please log back in from a web browser to reactivate your account at "
            "http://localhost:3001",
            id="allowed 10.6 #139",
        ),
        pytest.param(
            account(needs_email_confirmation=True),
            "Your primary email address is not confirmed. Please check your inbox for the confirmation instructions. "
            "In case the link is expired, you can request a new confirmation email at http://localhost:3001/users/confirmation/new",
            id="allowed 2.6 row 5",
        ),
        pytest.param(account(state="blocked"), BLOCKED, id="allowed 10.6 #137"),
        pytest.param(account(state="ldap_blocked", password_expired=True), BLOCKED, id="allowed 10.6 #142"),
        pytest.param(account(state="banned"), BLOCKED, id="allowed 2.6 row 6: banned"),
        pytest.param(
            account(password_expired=True),
            "Your password expired. Please access GitLab from a web browser to update your password.",
            id="allowed 10.6 #140",
        ),
        pytest.param(account(locked=True), BLOCKED, id="allowed 2.6 row 8"),
        pytest.param(account(state="some new state"), BLOCKED, id="a state without a rule of its own"),
        pytest.param(
            account(state="deactivated", needs_email_confirmation=True, locked=True), None, id="the first row that matches decides"
        ),
    ],
)
@pytest.mark.parametrize("action", [PULL, PUSH])
def test_an_account_that_may_not_be_used(actor: Actor, message: str | None, action: str) -> None:
    found = message_of(ask(actor, action, ROCKETS))
    assert found == message if message else (found or "").startswith("Your account has been deactivated")


@pytest.mark.parametrize("user_type", ["human", "project_bot", "service_user", "service_account", "security_bot", "security_policy_bot"])
def test_these_kinds_of_users_may_use_git(user_type: str) -> None:
    assert isinstance(decide(ask(account(user_type=user_type), PUSH, ROCKETS)), Allowed)


def test_terms_have_to_be_accepted_where_they_are_enforced() -> None:
    """Allowed 10.6 #148, #149."""
    terms = Instance(enforce_terms=True)
    denied = message_of(ask(account(terms_accepted=False), PULL, ROCKETS, instance=terms))
    assert denied == (
        "You (@ann) must accept the Terms of Service in order to perform this action. "
        "To accept these terms, please access GitLab from a web browser at http://localhost:3001."
    )
    assert message_of(ask(account(terms_accepted=True), PULL, ROCKETS, instance=terms)) is None
    assert message_of(ask(account(terms_accepted=False), PULL, ROCKETS)) is None
    pending = account(terms_accepted=False, state="blocked_pending_approval")
    assert reason_of(ask(pending, PULL, ROCKETS, instance=terms)) == Reason.PENDING_APPROVAL


@pytest.mark.parametrize("kind", [KeyKind.USER, KeyKind.DEPLOY])
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"expired": True}, "Your SSH key has expired.", id="allowed 10.3 #41, 10.6 #127"),
        pytest.param({"problem": "must be at least 4096 bits"}, "Your SSH key must be at least 4096 bits.", id="allowed 10.6 #128"),
        pytest.param(
            {"problem": "type is forbidden", "expired": True}, "Your SSH key type is forbidden.", id="validity comes before expiry"
        ),
    ],
)
def test_a_key_that_is_no_longer_good(kind: str, fields: dict[str, object], message: str) -> None:
    key = replace(Key(11, kind, enabled=True, can_push=True), **fields)  # type: ignore[arg-type]  # any field of Key
    assert message_of(ask(Actor(key, User(7, role=Role.OWNER)), PULL, ROCKETS)) == message


def test_keys_may_be_switched_off_for_a_user_but_not_deploy_keys() -> None:
    """Allowed 2.4."""
    assert message_of(ask(account(ssh_keys_disabled=True), PULL, ROCKETS)) == "SSH keys are disabled for this user."
    owner = User(7, ssh_keys_disabled=True)
    assert message_of(ask(Actor(Key(2, KeyKind.DEPLOY, enabled=True), owner), PULL, ROCKETS)) is None
    assert message_of(ask(Actor(user=User(7, role=Role.OWNER, ssh_keys_disabled=True)), PULL, ROCKETS)) is None


def test_a_blocked_owner_does_not_stop_a_deploy_key() -> None:
    """Allowed 2.5."""
    assert message_of(ask(Actor(Key(2, KeyKind.DEPLOY, enabled=True), User(7, state="blocked")), PULL, ROCKETS)) is None


@pytest.mark.parametrize(
    ("site", "group", "protocol", "message"),
    [
        pytest.param("http", "all", "ssh", "Git access over SSH is not allowed", id="allowed 10.3 #52, #53"),
        pytest.param("ssh", "all", "http", "Git access over HTTP is not allowed", id="allowed 10.3 #55"),
        pytest.param("", "http", "ssh", "Git access over SSH is not allowed", id="allowed 10.6 #124: by the group"),
        pytest.param("", "ssh", "http", "Git access over HTTP is not allowed", id="allowed 10.6 #125: by the group"),
        pytest.param("ssh", "http", "ssh", None, id="the site's setting is asked first, and alone"),
        pytest.param("", "all", "ssh", None, id="both open"),
        pytest.param("http", "http", "web", None, id="web is never shut"),
        pytest.param("ssh", "all", "ftp", "Git access over FTP is not allowed", id="a protocol nobody knows"),
    ],
)
def test_protocols_that_are_shut(site: str, group: str, protocol: str, message: str | None) -> None:
    request = ask(DEVELOPER, PULL, project(root_protocol=group), protocol=protocol, instance=Instance(enabled_git_access_protocol=site))
    assert message_of(request) == message


def test_the_protocol_is_asked_before_the_account_and_the_project() -> None:
    shut = Instance(enabled_git_access_protocol="http")
    assert reason_of(ask(account(state="blocked"), PULL, None, instance=shut)) == Reason.PROTOCOL_NOT_ALLOWED


@pytest.mark.parametrize(
    ("instance", "action", "protocol", "message"),
    [
        pytest.param(Instance(http_pull=False), PULL, "http", "Pulling over HTTP is not allowed.", id="allowed 10.6 #131"),
        pytest.param(Instance(http_push=False), PUSH, "http", "Pushing over HTTP is not allowed.", id="allowed 10.6 #133"),
        pytest.param(Instance(http_push=False), PULL, "http", None, id="allowed 10.6 #134"),
        pytest.param(Instance(http_pull=False, http_push=False), PUSH, "ssh", None, id="over SSH nothing is switched off"),
        pytest.param(Instance(), "git-annex-shell", "ssh", "The command you're trying to execute is not allowed.", id="unknown command"),
        pytest.param(Instance(), "", "ssh", "The command you're trying to execute is not allowed.", id="no command"),
    ],
)
def test_commands_that_are_not_served(instance: Instance, action: str, protocol: str, message: str | None) -> None:
    assert message_of(ask(DEVELOPER, action, ROCKETS, protocol=protocol, instance=instance)) == message


@pytest.mark.parametrize("action", list(Action))
def test_every_command_is_served(action: Action) -> None:
    assert isinstance(decide(ask(DEVELOPER, action, ROCKETS)), Allowed)


def test_maintenance_refuses_pushes_and_lets_pulls_go_on() -> None:
    """Allowed 4.3 row 1, 10.13 #280, decisions 10a."""
    shut = Instance(read_only=True)
    standard = "Git push is not allowed because this GitLab instance is currently in (read-only) maintenance mode."
    assert message_of(ask(DEVELOPER, PUSH, ROCKETS, instance=shut)) == standard
    assert message_of(ask(DEVELOPER, PULL, ROCKETS, instance=shut)) is None
    own = replace(shut, read_only_message="Back at noon.")
    assert message_of(ask(DEVELOPER, PUSH, ROCKETS, instance=own)) == "Back at noon."


@pytest.mark.parametrize(
    ("port", "command"), [(22, "ssh git@git.example.com 2fa_verify"), (2222, "ssh git@git.example.com -p 2222 2fa_verify")]
)
def test_a_second_factor_is_asked_for_over_ssh(port: int, command: str) -> None:
    """Allowed 2.7, decisions 10a."""
    instance = Instance(require_two_factor_for_git=True, ssh_host="git.example.com", ssh_port=port)
    enabled = account(two_factor_enabled=True)
    expected = f"OTP verification is required to access the repository.\n\n   Use: {command}"
    assert message_of(ask(enabled, PULL, ROCKETS, instance=instance)) == expected
    assert message_of(ask(Actor(user=enabled.user), PULL, ROCKETS, instance=instance)) == expected, "without a key too"
    assert message_of(ask(enabled, PULL, ROCKETS, instance=instance, protocol="http")) is None
    assert message_of(ask(account(two_factor_enabled=True, has_otp_session=True), PULL, ROCKETS, instance=instance)) is None
    assert message_of(ask(account(), PULL, ROCKETS, instance=instance)) is None, "nobody has to have a second factor"
    assert message_of(ask(enabled, PULL, ROCKETS)) is None, "the instance does not want it"
    assert message_of(ask(READING_KEY, PULL, ROCKETS, instance=instance)) is None


@pytest.mark.parametrize("action", ["", PULL, PUSH])
@pytest.mark.parametrize("actor", [DEVELOPER, READING_KEY])
def test_designs_are_for_the_web_as_readers_are_told(actor: Actor, action: str) -> None:
    """Allowed 10.3 #58, decisions 18."""
    request = ask(actor, action, ROCKETS, repository_type="design")
    assert message_of(request) == "Designs are only accessible using the web interface"


@pytest.mark.parametrize("actor", [DEVELOPER, READING_KEY])
def test_a_project_called_design_takes_the_commands_of_any_other(actor: Actor) -> None:
    request = ask(actor, "", project(full_path="acme/x.design"), path="acme/x.design")
    assert message_of(request) == "The command you're trying to execute is not allowed."
    assert message_of(replace(request, action=PULL)) is None
