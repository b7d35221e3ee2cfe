"""Stopping a node without losing a request: SIGTERM makes `/readyz` fail first, and ends the process later.

Load balancers need a moment to notice. Until then the node serves what they send; the last answer on each connection says
`Connection: close` (gunicorn_worker.py), so that no request is on its way when it is closed.
"""

import os
import signal
import threading
from typing import Any

from internal_api import draining


def drain_before_stop(server: Any, seconds: int) -> None:
    """Let gunicorn's main process (`server`) serve for so many seconds after SIGTERM; a second SIGTERM ends that.

    SIGINT and SIGQUIT stop it at once, as ever.
    """
    stop = server.handle_term

    def handle_term() -> None:
        if seconds <= 0 or draining.is_draining():
            stop()
            return
        draining.begin()
        server.log.info("Stopping in %s s; until then requests are answered, and /readyz says that no more are wanted", seconds)
        timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM))
        timer.daemon = True
        timer.start()

    server.handle_term = handle_term
