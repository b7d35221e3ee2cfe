"""What happens to projects, for the apps above that keep something in step. Sent inside the transaction of the change."""

from django.dispatch import Signal

project_moved = Signal()  # project: Project, former_root_id: int | None
lfs_size_changed = Signal()  # project_id: int
pushes_followed = Signal()  # project_id: int; what follows its pushes was done
storage_left = Signal()  # root_id: int; whoever keeps limits returns the bytes that may still be stored, or None without a limit
storage_alert = Signal()  # root_id: int; whoever keeps limits returns what a pusher should read, or None
