"""A Gitaly for the tests: a real gRPC server that answers from real bare repositories with the git program.

`python -m tests.gitaly_server --listen unix:/path --root DIRECTORY --token TOKEN`, or `running(...)` inside a test.
"""

from tests.gitaly_server.server import FakeGitaly, running

__all__ = ["FakeGitaly", "running"]
