"""How long, and how much of, a body is waited for: by the server without a thread, and by the thread that has the request."""

from typing import Final

LARGEST_AWAITED: Final = 64 * 1024
"""Bytes of a body that the server waits for before a thread has the request (settings/request_bodies.py)."""
SILENT_SECONDS: Final = 10.0
BODY_SECONDS: Final = 60.0
"""From one piece to the next, and in all."""
