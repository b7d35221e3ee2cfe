"""Finding users."""

from accounts.models import User


def user_exists(user_id: int) -> bool:
    """Whether there is a user of that id, whatever the account's state."""
    return User.objects.filter(pk=user_id).exists()
