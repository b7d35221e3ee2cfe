"""The settings of the test suite: the same, with fast password hashes and secrets that are known to the tests."""

from settings.base import *  # noqa: F403  one set of settings; only values differ here

SECRET_KEY = "a-secret-key-for-the-tests-that-is-long-enough"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EXTERNAL_URL = "http://localhost:3001"
SSH_URL = "ssh://git@localhost"
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1", "unix"]
STRANGERS_PER_SECOND = 0  # hundreds of refusals a second are the tests' daily bread
WORKER_PROCESSES = 1  # a worker that runs inside a test is no first process of others
