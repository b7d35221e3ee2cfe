"""Finding users."""

from accounts.errors import InvalidAccountError
from accounts.models import User


def user_exists(user_id: int) -> bool:
    """Whether there is a user of that id, whatever the account's state."""
    return User.objects.filter(pk=user_id).exists()


def get_user(username: str) -> User:
    """The user of that name in any letter case. Raises InvalidAccountError."""
    user: User | None = User.matching_username(username).first()
    if user is None:
        raise InvalidAccountError(f"There is no user {username!r}.")
    return user
