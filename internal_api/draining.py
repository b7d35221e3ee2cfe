"""Whether this node is about to stop: `/readyz` says so first, so that load balancers send their requests elsewhere.

One byte that gunicorn's main process shares with its workers; settings/gunicorn.py imports this module before they are forked.
"""

import mmap

_flag = mmap.mmap(-1, 1)


def begin() -> None:
    """From now on the node asks to be left alone. There is no way back: the process ends."""
    _flag[0] = 1


def is_draining() -> bool:
    """Whether the node serves only until it stops."""
    return _flag[0] == 1
