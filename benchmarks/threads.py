"""`make bench-threads`: what threads cost, with one worker: throughput and waiting of mixed Git traffic, and memory.

Threads are there to wait, for Gitaly or a database that restarts; what they bring then is shown by `make chaos`.
"""

import os
import sys
import tempfile
from statistics import median

import django

from benchmarks.cases import mixed
from benchmarks.dataset import Company
from benchmarks.load import play, write_requests
from benchmarks.processes import Gunicorn
from benchmarks.stage import stage

THREADS = (2, 8, 16, 32)
CONNECTIONS = (1, 4, 16)
SECONDS = 3
PASSES = 3
SMALL = Company(users=1000, groups=50, projects=500, agents=100)


def main() -> None:
    """Print a line for each number of threads and connections."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings.base"
    os.environ.setdefault("VAR_DIR", tempfile.mkdtemp())
    django.setup()  # the floor's statements are those of the service
    sys.stdout.write(f"{'threads':>7} {'connections':>11} {'requests/s':>10} {'p50 ms':>7} {'p99 ms':>7} {'MiB':>5}   load\n")
    with stage(SMALL, SMALL) as found:
        requests = write_requests(found.directory / "mixed", mixed(found.large, found.credentials))
        for threads in THREADS:
            environment = {**found.service.environment, "WEB_THREADS": str(threads)}
            server = Gunicorn(f"threads-{threads}", "settings.wsgi", environment, found.directory, 1)
            server.start()
            try:
                play(server.port, requests, seconds=2, connections=32)
                for connections in CONNECTIONS:
                    loads = [play(server.port, requests, seconds=SECONDS, connections=connections) for _ in range(PASSES)]
                    per_second, p50, p99 = (median(getattr(load, name) for load in loads) for name in ("per_second", "p50", "p99"))
                    sys.stdout.write(
                        f"{threads:7} {connections:11} {per_second:10.0f} {p50:7.1f} {p99:7.1f} "
                        f"{server.peak_megabytes():5.0f} {os.getloadavg()[0]:6.1f}\n"
                    )
            finally:
                server.stop()


if __name__ == "__main__":
    main()
