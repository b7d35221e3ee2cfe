"""Finding users."""

from collections.abc import Iterable

from django.db.models.functions import Lower

from accounts.errors import InvalidAccountError
from accounts.models import User
from internal_api.text import ascii_lower


def user_exists(user_id: int) -> bool:
    """Whether there is a user of that id, whatever the account's state."""
    return User.objects.filter(pk=user_id).exists()


def get_user(username: str) -> User:
    """The user of that name in any letter case. Raises InvalidAccountError."""
    user: User | None = User.matching_username(username).first()
    if user is None:
        raise InvalidAccountError(f"There is no user {username!r}.")
    return user


def users_by_name(usernames: Iterable[str]) -> dict[str, User]:
    """The users of these names in any letter case, by `ascii_lower` of their names: one query for each thousand."""
    names = sorted({ascii_lower(username) for username in usernames})
    rows = User.objects.annotate(username_lower=Lower("username"))
    some = (names[start : start + 1000] for start in range(0, len(names), 1000))
    return {ascii_lower(user.username): user for part in some for user in rows.filter(username_lower__in=part)}
