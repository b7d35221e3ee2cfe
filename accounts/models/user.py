"""People, bots and service accounts."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from internal_api.acting import ActorKind, Identity
from internal_api.blank_names import not_blank
from internal_api.encryption import EncryptedTextField
from internal_api.models import Audited, AuditedManager
from internal_api.text import ascii_lower

USERNAME = r"\A[a-zA-Z0-9_.][a-zA-Z0-9_.-]*(?<![.-])\Z"


class UserState(models.TextChoices):
    """Whether an account may be used (contract: allowed 2.6)."""

    ACTIVE = "active", "Active"
    BLOCKED = "blocked", "Blocked"
    LDAP_BLOCKED = "ldap_blocked", "Blocked by LDAP"
    BANNED = "banned", "Banned"
    DEACTIVATED = "deactivated", "Deactivated"
    BLOCKED_PENDING_APPROVAL = "blocked_pending_approval", "Pending approval"


BLOCKED_STATES = frozenset({UserState.BLOCKED, UserState.LDAP_BLOCKED, UserState.BANNED})


class BlockedBy(models.TextChoices):
    """Who blocked an account; a block is lifted by whoever set it, or by an administrator (contract: decisions 22)."""

    ADMINISTRATOR = "administrator", "Administrator"
    SCIM = "scim", "SCIM"
    LDAP = "ldap", "LDAP"


class UserType(models.TextChoices):
    """What an account stands for (contract: allowed 2.6); the numbers GitLab uses for them never travel on the wire."""

    HUMAN = "human", "Human"
    SUPPORT_BOT = "support_bot", "Support bot"
    ALERT_BOT = "alert_bot", "Alert bot"
    VISUAL_REVIEW_BOT = "visual_review_bot", "Visual review bot"
    SERVICE_USER = "service_user", "Service user"
    GHOST = "ghost", "Ghost"
    PROJECT_BOT = "project_bot", "Project bot"
    SECURITY_BOT = "security_bot", "Security bot"
    AUTOMATION_BOT = "automation_bot", "Automation bot"
    SECURITY_POLICY_BOT = "security_policy_bot", "Security policy bot"
    ADMIN_BOT = "admin_bot", "Admin bot"
    SERVICE_ACCOUNT = "service_account", "Service account"
    PLACEHOLDER = "placeholder", "Placeholder"
    DUO_CODE_REVIEW_BOT = "duo_code_review_bot", "Duo code review bot"
    IMPORT_USER = "import_user", "Import user"


def default_blocker(state: str) -> BlockedBy:
    """Who counts as having set a blocked state when nobody is named."""
    return BlockedBy.LDAP if state == UserState.LDAP_BLOCKED else BlockedBy.ADMINISTRATOR


class UserManager(AuditedManager["User"], BaseUserManager["User"]):
    """Looks people up by username in any letter case, as GitLab does."""

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.annotate(username_lower=Lower("username")).get(username_lower=ascii_lower(username or ""))


def _matching_email(rows: models.QuerySet[Any], email: str) -> models.QuerySet[Any]:
    """Databases differ in the lower case of other letters, and some are the lower case of two."""
    if not email.isascii():
        return rows.filter(email=email)
    found: models.QuerySet[Any] = rows.annotate(email_lower=Lower("email")).filter(email_lower=email.lower())
    return found


class User(Audited, AbstractBaseUser):
    """Somebody, or something, that acts."""

    username = models.CharField(max_length=255, validators=[RegexValidator(USERNAME, "A username has letters, digits, '_', '-' and '.'.")])
    name = models.CharField(max_length=255)
    email = models.EmailField(max_length=255)
    email_confirmed = models.BooleanField(default=True)
    state = models.CharField(max_length=32, choices=UserState, default=UserState.ACTIVE)
    blocked_by = models.CharField(
        max_length=16,
        choices=BlockedBy,
        default="",
        blank=True,
        help_text="Who set the block. SCIM lifts its own blocks only.",
    )
    user_type = models.CharField(max_length=32, choices=UserType, default=UserType.HUMAN)
    admin = models.BooleanField(default=False, help_text="May do everything, here and in every repository.")
    external = models.BooleanField(default=False, help_text="Sees no internal projects.")
    ldap = models.BooleanField(default=False, help_text="Signs in by LDAP; no password of ours expires.")
    terms_accepted = models.BooleanField(default=False)
    projects_limit = models.PositiveIntegerField(default=100_000, validators=[MaxValueValidator(2**31 - 1)])
    password_expires_at = models.DateTimeField(null=True, blank=True)
    kerberos_principal = models.CharField(max_length=255, null=True, blank=True, unique=True)
    ssh_keys_disabled = models.BooleanField(default=False, help_text="Kept by the enterprise group's setting.")
    otp_secret = EncryptedTextField(null=True, blank=True)
    otp_consumed_timestep = models.BigIntegerField(null=True, blank=True)
    failed_attempts = models.PositiveIntegerField(default=0)
    locked_at = models.DateTimeField(null=True, blank=True)
    failed_sign_ins = models.PositiveIntegerField(default=0)
    sign_in_locked_at = models.DateTimeField(null=True, blank=True)
    last_activity_on = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    audit_ignored = frozenset(
        {"last_login", "otp_consumed_timestep", "failed_attempts", "locked_at", "failed_sign_ins", "sign_in_locked_at",
         "last_activity_on", "ssh_keys_disabled"}
    )  # fmt: skip

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["email", "name"]
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("username"), name="user_username_unique"),
            models.UniqueConstraint(Lower("email"), name="user_email_unique"),
            not_blank("username", name="user_username_not_blank"),
            models.CheckConstraint(condition=models.Q(state__in=UserState.values), name="user_state_known"),
            models.CheckConstraint(condition=models.Q(user_type__in=UserType.values), name="user_type_known"),
            models.CheckConstraint(
                condition=models.Q(blocked_by="") | models.Q(blocked_by__in=BlockedBy.values, state__in=sorted(BLOCKED_STATES)),
                name="user_blocked_by_fits_state",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["id"], condition=models.Q(user_type="ghost"), name="user_ghost")]

    def __str__(self) -> str:
        return self.username

    def audit_identity(self) -> Identity:
        """Return an administrator on the admin site, for the audit log."""
        return Identity(ActorKind.ADMINISTRATOR, self.pk, self.username, "session")

    def audit_action(self, verb: str, changes: dict[str, Any]) -> str:
        """Blocks and second factors have words of their own."""
        if verb == "changed" and not {"state", "blocked_by"}.isdisjoint(changes):
            former = changes["state"][0] if "state" in changes else self.state
            if self.state in BLOCKED_STATES:
                return "user_blocked"
            return "user_unblocked" if former in BLOCKED_STATES else "user_state_changed"
        if verb == "changed" and set(changes) == {"otp_secret"}:
            return "two_factor_enabled" if self.otp_secret else "two_factor_disabled"
        return super().audit_action(verb, changes)

    def clean(self) -> None:
        """Make `blocked_by` fit the state: empty unless blocked, and the administrator's unless somebody else is named."""
        super().clean()
        if self.state not in BLOCKED_STATES:
            self.blocked_by = ""
        elif not self.blocked_by:
            self.blocked_by = default_blocker(self.state)

    @property
    def is_blocked_by_scim(self) -> bool:
        """Whether SCIM set the block, and may lift it."""
        return self.state == UserState.BLOCKED and self.blocked_by == BlockedBy.SCIM

    @property
    def is_active(self) -> bool:  # type: ignore[override]  # Django has a plain attribute; here the state tells
        return self.state == UserState.ACTIVE

    @property
    def is_staff(self) -> bool:
        """Whether the admin site is open to this user."""
        return self.admin and self.is_active

    @property
    def two_factor_enabled(self) -> bool:
        return bool(self.otp_secret)

    @property
    def password_expired(self) -> bool:
        """Whether a password of ours has to be changed first (contract: allowed 2.6)."""
        expires = self.password_expires_at
        by_password = self.user_type == UserType.HUMAN and not self.ldap and self.has_usable_password()
        return by_password and expires is not None and expires <= timezone.now()

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return self.is_staff

    def has_perms(self, perms: Any, obj: object = None) -> bool:
        return self.is_staff

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_staff

    @classmethod
    def matching_username(cls, username: str) -> models.QuerySet[Any]:
        """Users of that name in any letter case; uses the index behind the unique constraint."""
        return cls._default_manager.annotate(username_lower=Lower("username")).filter(username_lower=ascii_lower(username))

    @classmethod
    def matching_email(cls, email: str) -> models.QuerySet[Any]:
        """Users with that primary e-mail address: in any letter case when it is ASCII, else exactly."""
        return _matching_email(cls._default_manager.all(), email)


class ExtraEmail(Audited):
    """A further verified address of a user."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="extra_emails")
    email = models.EmailField(max_length=255)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(Lower("email"), name="extra_email_unique")]

    audit_related = ("user",)

    def __str__(self) -> str:
        return self.email

    def audit_name(self) -> str:
        return f"{self.user.username}: {self.email}"

    @classmethod
    def matching_email(cls, email: str) -> models.QuerySet[Any]:
        """Further addresses that are this one, as `User.matching_email` compares them."""
        return _matching_email(cls._default_manager.all(), email)
