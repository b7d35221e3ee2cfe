"""What can go wrong with Gitaly. Nothing is ever guessed: whoever asks for a push is refused with a clear message.

GitalyError
├── GitalyUnavailableError      away or overloaded; trying again may help
│   ├── GitalyTooSlowError      it did not answer in time
│   ├── GitalyBusyError         too many requests of this process wait for it
│   └── GitalyAwayError         it did not answer recently, and is not asked for a few seconds
├── GitalyRefusedError          it does not know our token, our clock or our storage: a mistake in the configuration
│   └── GitalyTokenRefusedError     the token, or the clock behind it
├── RepositoryNotFoundError     there is no such repository
└── RepositoryExistsError       there is one already
"""


class GitalyError(Exception):
    """Any failure; its text is for the log and for operators, not for strangers."""


class GitalyUnavailableError(GitalyError):
    """It did not answer."""


class GitalyTooSlowError(GitalyUnavailableError):
    """It did not answer in time."""


class GitalyBusyError(GitalyUnavailableError):
    """It was not asked: too many requests of this process wait for it already."""


class GitalyAwayError(GitalyUnavailableError):
    """It was not asked: it has not answered recently."""


class GitalyRefusedError(GitalyError):
    """It answered that it will not, because of how one of us is configured."""


class GitalyTokenRefusedError(GitalyRefusedError):
    """It refuses the token: a wrong one, none, or a clock that differs by more than 30 seconds."""


class RepositoryNotFoundError(GitalyError):
    """It has no such repository."""


class RepositoryExistsError(GitalyError):
    """It has that repository already."""
