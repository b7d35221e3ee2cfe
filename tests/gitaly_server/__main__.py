"""Run the Gitaly of the tests until it is interrupted."""

import argparse
import signal
from pathlib import Path

from tests.gitaly_server.server import running

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", required=True, help="unix:/path or host:port")
    parser.add_argument("--root", required=True, type=Path)
    parser.add_argument("--token")
    options = parser.parse_args()
    with running(options.root, token=options.token, listen=options.listen):
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
