"""The settings of every installation; what differs between two of them comes from the environment (settings/environment.py)."""

import os
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from internal_api import tracing
from internal_api.host_names import host_of
from internal_api.logs import without_tracebacks_of_strangers
from internal_api.openapi_settings import SPECTACULAR
from internal_api.redis_url import InvalidRedisURLError, check_redis_url
from kubernetes_agent.kas.address import kas_address_problem
from repositories.lfs.s3_options import S3Options, check_options
from settings.cpu_limit import available_cpus
from settings.environment import BASE_DIR, Environment, secret_in

env = Environment()

VAR_DIR = env.path("VAR_DIR") or BASE_DIR / "var"
VAR_DIR.mkdir(parents=True, exist_ok=True)

# --- addresses -------------------------------------------------------------------------------------------------------

EXTERNAL_URL = env.text("EXTERNAL_URL").rstrip("/")
SSH_URL = env.text("SSH_URL").rstrip("/")
EXTERNAL_HOST = host_of(EXTERNAL_URL)
if not EXTERNAL_HOST:
    raise ImproperlyConfigured("EXTERNAL_URL must be an address such as https://git.example.com.")
ALLOWED_HOSTS = [*env.items("ALLOWED_HOSTS"), EXTERNAL_HOST]

# --- secrets ---------------------------------------------------------------------------------------------------------

DEBUG = env.flag("DEBUG")
REQUIRE_SECRETS = env.flag("REQUIRE_SECRETS")
SECRET_KEY = env.text("SECRET_KEY") or secret_in(VAR_DIR / "secret_key", required=REQUIRE_SECRETS)
SECRET_KEY_FALLBACKS = [*env.items("SECRET_KEY_FALLBACKS"), *env.secrets_beside("SECRET_KEY", VAR_DIR / "secret_key")]
ENCRYPTION_KEYS = env.items("ENCRYPTION_KEYS")
DECRYPTION_KEYS = [key.strip() for text in env.secrets_beside("ENCRYPTION_KEYS") for key in text.split(",") if key.strip()]
GITLAB_SHELL_SECRET_FILE = env.path("GITLAB_SHELL_SECRET_FILE")
GITLAB_SHELL_PREVIOUS_SECRET_FILE = env.path("GITLAB_SHELL_PREVIOUS_SECRET_FILE")
GITLAB_KAS_SECRET_FILE = env.path("GITLAB_KAS_SECRET_FILE")
GITLAB_KAS_PREVIOUS_SECRET_FILE = env.path("GITLAB_KAS_PREVIOUS_SECRET_FILE")
KAS_ADDRESS = env.text("KAS_ADDRESS")
if KAS_ADDRESS and (problem := kas_address_problem(KAS_ADDRESS)):
    raise ImproperlyConfigured(problem)
KAS_API_SECRET_FILE = env.path("KAS_API_SECRET_FILE")
KAS_TIMEOUT = env.number("KAS_TIMEOUT")
GITLAB_WORKHORSE_SECRET_FILE = env.path("GITLAB_WORKHORSE_SECRET_FILE")
GITLAB_WORKHORSE_PREVIOUS_SECRET_FILE = env.path("GITLAB_WORKHORSE_PREVIOUS_SECRET_FILE")

# --- what it is made of ----------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "settings.apps.AdminSiteConfig",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "git_http",
    "kubernetes_agent",
    "scim",
    "storage_limits",
    "repositories",
    "accounts",
    "internal_api",
    "django.contrib.auth",  # after accounts, whose createsuperuser is the one that is meant
    "django_tasks_db",  # after internal_api, whose db_worker is the one that is meant
]
TASKS = {"default": {"BACKEND": "internal_api.task_queue.QueueBackend"}}
ROOT_URLCONF = "settings.urls"
WSGI_APPLICATION = "settings.wsgi.application"
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APPEND_SLASH = False  # any redirect is an error to GitLab Shell, Gitaly and kas

MIDDLEWARE = [
    "internal_api.middleware.RequestMiddleware",
    *(["internal_api.tracing_middleware.TracingMiddleware"] if tracing.ENABLED else []),
    "internal_api.middleware.AdminSiteMiddleware",
]
ADMIN_SITE_MIDDLEWARE = [
    # Sessions, sign-in and forgery protection cost a fifth of an internal request, which needs none of them.
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
SILENCED_SYSTEM_CHECKS = [
    "auth.E003",  # usernames are unique, in any letter case: by a constraint on lower(username)
    "admin.E408",  # AuthenticationMiddleware, MessageMiddleware and SessionMiddleware are there, inside AdminSiteMiddleware
    "admin.E409",
    "admin.E410",
    "security.W001",  # SecurityMiddleware and CsrfViewMiddleware likewise
    "security.W002",  # X-Frame-Options comes from RequestMiddleware
    "security.W003",
    "security.W008",  # no redirect to HTTPS: a redirect is an error to every internal client
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["internal_api.permissions.DenyAll"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [],
    "EXCEPTION_HANDLER": "internal_api.exception_handler.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_SCHEMA_CLASS": "internal_api.openapi.EndpointSchema",
}
SPECTACULAR_SETTINGS = SPECTACULAR

# --- state -----------------------------------------------------------------------------------------------------------

DECISION_SECONDS = env.number("DECISION_SECONDS")
GITALY_TIMEOUT = env.number("GITALY_TIMEOUT")
# gRPC's core writes lines of its own to stderr, past the formatter; what it tells there is also in the error of the call, which is logged.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
WEB_THREADS = env.number("WEB_THREADS")
STRANGERS_PER_SECOND = env.number("STRANGERS_PER_SECOND")
PREPARED = env.flag("DATABASE_PREPARED_STATEMENTS")


def _database(url: str) -> dict[str, Any]:
    """Django's settings of a database by its address."""
    database: dict[str, Any] = environ.Env.db_url_config(url)
    if database["ENGINE"] == "django.db.backends.postgresql":
        database["ENGINE"] = "internal_api.postgresql"  # the same, with a bound on every wait
        database["OPTIONS"] = {
            # A server whose machine is gone is noticed by the kernel, one that hangs by internal_api/postgresql/watch.py.
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 3,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
            **database.get("OPTIONS", {}),
            # Planning the statement behind /allowed costs more than running it: it is prepared once per connection.
            "server_side_binding": True,
            "prepare_threshold": 1 if PREPARED else None,
        }
        if PREPARED:
            # No statement outlives a decision's budget, and none is worth compiling: at a wrong guess that takes a second of a push's time.
            # A pooler takes no options; there the role has them.
            database["OPTIONS"]["options"] = f"-c statement_timeout={DECISION_SECONDS * 1000} -c lock_timeout=20000 -c jit=off"
        if pool_size := env.number("DATABASE_POOL_SIZE"):
            database["OPTIONS"]["pool"] = {"min_size": 1, "max_size": pool_size, "timeout": 10}
        else:
            database["CONN_MAX_AGE"] = None
    elif database["ENGINE"] == "django.db.backends.sqlite3":
        name = database["NAME"]
        database["NAME"] = name if name == ":memory:" else str(BASE_DIR / name)
        database["CONN_MAX_AGE"] = None
        database["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",  # a writer waits for its turn instead of failing half way
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
    return database


DATABASES = {"default": _database(env.text("DATABASE_URL"))}
if _replica := env.text("DATABASE_REPLICA_URL"):
    DATABASES["replica"] = {**_database(_replica), "TEST": {"MIRROR": "default"}}
    DATABASE_ROUTERS = ["internal_api.replica.ReplicaRouter"]
DATABASE_REPLICA_MAX_LAG = env.number("DATABASE_REPLICA_MAX_LAG")
DATABASE_LISTEN_URL = env.text("DATABASE_LISTEN_URL")
REDIS_URL = env.text("REDIS_URL")
try:
    check_redis_url(REDIS_URL)
except InvalidRedisURLError as error:
    raise ImproperlyConfigured(str(error)) from None

USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
STATIC_URL = "/admin/static/"
STATIC_ROOT = env.path("STATIC_ROOT") or VAR_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
WHITENOISE_USE_FINDERS = not any(STATIC_ROOT.iterdir())  # where nothing was collected, files come from the packages
# Django's own limits for forms; each view has one for its whole body (internal_api/http/requests.py).
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1_000

SESSION_COOKIE_SAMESITE = "Strict"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = EXTERNAL_URL.startswith("https://")
CSRF_TRUSTED_ORIGINS = [EXTERNAL_URL]
X_FRAME_OPTIONS = "SAMEORIGIN"
PASSWORD_HASHERS = ["accounts.password_hasher.BackgroundPBKDF2PasswordHasher", "django.contrib.auth.hashers.ScryptPasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# --- what the service says and keeps ---------------------------------------------------------------------------------

GITLAB_VERSION = env.text("GITLAB_VERSION")
GITLAB_REVISION = env.text("GITLAB_REVISION")
LFS_TOKEN_TTL = env.number("LFS_TOKEN_TTL")
LFS_STORAGE_PATH = env.path("LFS_STORAGE_PATH") or VAR_DIR / "lfs-objects"
LFS_S3 = None
if env.text("LFS_S3_BUCKET"):
    LFS_S3 = S3Options(
        env.text("LFS_S3_BUCKET"),
        env.text("LFS_S3_ENDPOINT"),
        env.text("LFS_S3_REGION"),
        env.text("LFS_S3_ACCESS_KEY"),
        env.text("LFS_S3_SECRET_KEY"),
        path_style=env.flag("LFS_S3_PATH_STYLE"),
        is_direct=not env.flag("LFS_PROXY_DOWNLOAD"),
    )
    check_options(LFS_S3)
LFS_EMBEDDED_UPLOADS = env.flag("LFS_EMBEDDED_UPLOADS")
LFS_TRANSFERS = env.number("LFS_TRANSFERS")
LFS_OBJECT_GRACE_DAYS = env.number("LFS_OBJECT_GRACE_DAYS")
GIT_HTTP_FAILURES = env.number("GIT_HTTP_FAILURES")
GIT_HTTP_FAILURES_SECONDS = env.number("GIT_HTTP_FAILURES_SECONDS")
GIT_HTTP_BAN_SECONDS = env.number("GIT_HTTP_BAN_SECONDS")
SCIM_TOKEN_GRACE = env.number("SCIM_TOKEN_GRACE")
AUDIT_EVENT_RETENTION_DAYS = env.number("AUDIT_EVENT_RETENTION_DAYS")
PUSH_EVENT_RETENTION_DAYS = env.number("PUSH_EVENT_RETENTION_DAYS")
PUSH_RECOVERY_AFTER = env.number("PUSH_RECOVERY_AFTER")
REFUSALS_KEPT = env.number("REFUSALS_KEPT")
WORKER_PROCESSES = env.number("WORKER_PROCESSES") or available_cpus()
if WORKER_PROCESSES < 0:
    raise ImproperlyConfigured("WORKER_PROCESSES must be a number of at least 1, or 0 for as many as CPUs.")
WORKER_METRICS_PORT = env.number("WORKER_METRICS_PORT")
if not 0 <= WORKER_METRICS_PORT <= 65535:  # noqa: PLR2004  TCP's
    raise ImproperlyConfigured(f"WORKER_METRICS_PORT must be a port from 1 to 65535, or 0 for none, not {WORKER_METRICS_PORT}.")
WORKER_METRICS_HOST = env.text("WORKER_METRICS_HOST")
WORKER_DEAD_AFTER = env.number("WORKER_DEAD_AFTER")
TASK_RESULT_RETENTION_DAYS = env.number("TASK_RESULT_RETENTION_DAYS")
WEBHOOK_DELIVERIES_PER_PUSH = env.number("WEBHOOK_DELIVERIES_PER_PUSH")
WEBHOOK_TIMEOUT = env.number("WEBHOOK_TIMEOUT")
WEBHOOK_FAILURES = env.number("WEBHOOK_FAILURES")
WEBHOOK_ALLOWED_TARGETS = env.items("WEBHOOK_ALLOWED_TARGETS")
WEBHOOK_DELIVERY_RETENTION_DAYS = env.number("WEBHOOK_DELIVERY_RETENTION_DAYS")
TRUSTED_ADDRESSES = env.items("TRUSTED_ADDRESSES")
MONITORING_ALLOWLIST = env.items("MONITORING_ALLOWLIST")

LOG_LEVEL = env.text("LOG_LEVEL").upper()
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "internal_api.logs.JSONFormatter"},
        "text": {"()": "internal_api.logs.LineFormatter"},
    },
    "filters": {"strangers": {"()": "django.utils.log.CallbackFilter", "callback": without_tracebacks_of_strangers}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": env.text("LOG_FORMAT"), "filters": ["strangers"]}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django.request": {"level": "ERROR"},  # our own line per request says it all
        # Their debug lines hold signed URLs and headers.
        "boto3": {"level": "WARNING"},
        "botocore": {"level": "WARNING"},
        "s3transfer": {"level": "WARNING"},
        "urllib3": {"level": "WARNING"},
    },
}
