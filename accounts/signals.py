"""What happens to accounts, for the apps above that keep something in step. Sent inside the transaction of the change."""

from django.dispatch import Signal

users_created = Signal()  # users: Sequence[User]
username_changed = Signal()  # user: User, former: str
