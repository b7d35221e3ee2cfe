"""`make bench`: the service beside its floor, over the wire, with a company of 100,000 people in the database.

Prints tables, and writes `report.json`, `ratios.svg` and `knee.svg` into the directory given by `--output`.
`--quick` counts SQL statements and Python calls only, which are the same in every run, and fails above their limits (see costs.py).
Method and last figures: docs/performance.md.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.in_process import InProcess
    from benchmarks.knee import Point
    from benchmarks.stage import Stage
    from benchmarks.start_up import Memory, Start
    from benchmarks.steady import Steady
    from benchmarks.wire import Row

CLOSED_TOO = 5  # the cases that Go clients of the internal API ask with `Connection: close`


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only what is the same in every run")
    parser.add_argument("--rounds", type=int, default=8, help="rounds of slices for each case (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=2, help="length of a slice (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=100_000, help="requests over which memory must not grow (default: %(default)s)")
    parser.add_argument("--only", metavar="TEXT", help="only the requests whose name holds this, and nothing but those")
    parser.add_argument("--small", action="store_true", help="1,000 people instead of 100,000")
    parser.add_argument("--output", type=Path, default=Path("var/bench"), help="where the report goes (default: %(default)s)")
    return parser.parse_args()


def _say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


HEAD = (
    "| request | connection | statements | floor req/s | req/s | of the floor's | p50 ms | p99 ms | floor CPU ms | "
    "CPU ms | CPU / floor | target | PostgreSQL CPU ms | like itself | many / few people | p99 / p50 at 16 |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
)


def line_of(row: "Row") -> str:
    """One line of the table."""
    spread = f"{row.p99_of_many / row.p50_of_many:.1f}" if row.p50_of_many and row.p99_of_many else ""
    cells = [
        row.case,
        "close" if row.close else "kept",
        "" if row.statements is None else str(row.statements),
        f"{row.floor.per_second:,.0f}",
        f"{row.service.per_second:,.0f}",
        f"{row.of_floor_throughput:.2f}",
        f"{row.service.p50:.1f}",
        f"{row.service.p99:.1f}",
        f"{row.floor.cpu:.2f}",
        f"{row.service.cpu:.2f}",
        f"{row.times_floor_cpu:.2f}",
        "" if row.target is None else f"{row.target:.1f}",
        f"{row.service.database_cpu:.2f}",
        f"{row.same_cpu:.2f}",
        "" if row.little_cpu is None else f"{row.little_cpu:.2f}",
        spread,
    ]
    return f"| {' | '.join(cells)} |"


def _say_steady(found: "Steady") -> None:
    _say(
        f"\n{found.answered_per_second:.0f} mixed requests a second: {found.cpu:.2f} of {os.cpu_count()} cores "
        f"(service {found.service_cpu:.2f}, PostgreSQL {found.database_cpu:.2f}, Redis {found.redis_cpu:.2f}), "
        f"p50 {found.p50:.1f} ms, p99 {found.p99:.1f} ms, {found.refused} refused"
    )


def _say_starts(ours: "Start", theirs: "Start", memory: Sequence["Memory"]) -> None:
    _say(
        f"\nStart: {ours.cpu:.2f} s of CPU, {ours.megabytes:.0f} MB; an empty project with the admin: {theirs.cpu:.2f} s, "
        f"{theirs.megabytes:.0f} MB; {ours.cpu / theirs.cpu:.2f} and {ours.megabytes / theirs.megabytes:.2f} times"
    )
    _say("Memory: " + ", ".join(f"{one.megabytes:.1f} MB after {one.requests:,}" for one in memory))


def _say_knee(points: Sequence["Point"]) -> None:
    _say("\n| workers | connections | req/s | p50 ms | p99 ms |\n|--:|--:|--:|--:|--:|")
    for point in points:
        _say(f"| {point.workers} | {point.connections} | {point.per_second:,.0f} | {point.p50:.1f} | {point.p99:.1f} |")


def _in_process(ready: "Stage", only: str) -> dict[str, list["InProcess"]]:
    """The service beside a plain Django view and the floor, without a server."""
    from benchmarks.cases import CASES  # noqa: PLC0415  needs the settings
    from benchmarks.in_process import measured  # noqa: PLC0415  likewise

    _say("\n| in one process | CPU ms | times the plain view's | times the floor's | Python calls |\n|---|--:|--:|--:|--:|")
    environment = {**ready.service.environment, **ready.floor.environment}
    found = {}
    for case in (case for case in CASES if case.name.startswith("allowed") and only in case.name):
        found[case.name] = measured(environment, case.requests(ready.large, ready.credentials), ready.directory)
        for one in found[case.name]:
            _say(f"| {case.name}: {one.name} | {one.cpu:.2f} | {one.times_reference:.2f} | {one.times_floor:.2f} | {one.calls:,} |")
    return found


def _rows(ready: "Stage", arguments: argparse.Namespace) -> list["Row"]:
    from benchmarks.cases import CASES  # noqa: PLC0415  needs the settings
    from benchmarks.wire import measure, statements_of  # noqa: PLC0415  likewise

    _say(HEAD)
    rows = []
    for close, cases in ((False, CASES), (True, CASES[:CLOSED_TOO])):
        for case in (case for case in cases if (arguments.only or "") in case.name):
            statements = None if close else statements_of(ready, case)
            rounds = max(arguments.rounds // (2 if close else 1), 1)
            rows.append(measure(ready, case, close=close, rounds=rounds, seconds=arguments.seconds, statements=statements))
            _say(line_of(rows[-1]))
    return rows


def run(arguments: argparse.Namespace) -> None:
    """All of it. Raises LoadError or MissingProgramsError."""
    from benchmarks import charts  # noqa: PLC0415  needs the settings
    from benchmarks.dataset import LARGE, SMALL  # noqa: PLC0415  likewise
    from benchmarks.knee import find_knee  # noqa: PLC0415  likewise
    from benchmarks.stage import stage  # noqa: PLC0415  likewise
    from benchmarks.start_up import memory_over_time, starts  # noqa: PLC0415  likewise
    from benchmarks.steady import steady  # noqa: PLC0415  likewise

    arguments.output.mkdir(parents=True, exist_ok=True)
    with stage(SMALL if arguments.small else LARGE, SMALL) as ready:
        rows = _rows(ready, arguments)
        alone = _in_process(ready, arguments.only or "")
        if arguments.only:
            return
        peak = {server.name: round(server.peak_megabytes(), 1) for server in (ready.floor, ready.service)}
        _say(f"\nPeak memory of a worker: {peak['service']} MB, the floor's {peak['floor']} MB")
        stream = steady(ready)
        _say_steady(stream)
        for server in (ready.copy, ready.little, ready.floor):
            server.stop()
        ours, theirs = starts(ready)
        memory = memory_over_time(ready, arguments.requests)
        _say_starts(ours, theirs, memory)
        points = find_knee(ready, seconds=arguments.seconds)
        _say_knee(points)
    report = {
        "machine": {"python": platform.python_version(), "cores": os.cpu_count(), "system": platform.platform()},
        "rows": [asdict(row) for row in rows],
        "in_process": {name: [asdict(one) for one in found] for name, found in alone.items()},
        "peak_megabytes": peak,
        "steady": asdict(stream),
        "start": {"service": asdict(ours), "empty project": asdict(theirs)},
        "memory": [asdict(one) for one in memory],
        "knee": [asdict(point) for point in points],
    }
    (arguments.output / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    (arguments.output / "ratios.svg").write_text(charts.ratios(rows))
    (arguments.output / "knee.svg").write_text(charts.knee(points))
    _say(f"\nWritten to {arguments.output}: report.json, ratios.svg, knee.svg")


def main() -> int:
    """1 when something could not be measured, or costs more than it may."""
    arguments = _arguments()
    if arguments.quick:
        from benchmarks import costs  # noqa: PLC0415  sets up a database of its own

        return costs.main()
    import tempfile  # noqa: PLC0415  with the environment below

    import django  # noqa: PLC0415  likewise

    os.environ["DJANGO_SETTINGS_MODULE"] = "settings.base"
    os.environ["VAR_DIR"] = tempfile.mkdtemp()
    django.setup()
    from benchmarks.load import LoadError  # noqa: PLC0415  needs the settings
    from tests.servers import MissingProgramsError  # noqa: PLC0415  likewise

    try:
        run(arguments)
    except (LoadError, MissingProgramsError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
