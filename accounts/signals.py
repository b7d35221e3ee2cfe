"""What happens to accounts, for the apps above that keep something in step. Sent inside the transaction of the change."""

from django.dispatch import Signal

user_created = Signal()  # user: User
username_changed = Signal()  # user: User, former: str
