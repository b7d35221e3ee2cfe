"""The report's charts, as SVG files that need nothing else."""

from collections.abc import Sequence
from html import escape

from benchmarks.knee import Point
from benchmarks.wire import Row

_TEXT = 'font-family="sans-serif" font-size="12"'
_COLOURS = {1: "#1f77b4", 2: "#2ca02c", 4: "#d62728"}
_WIDTH, _LABELS, _STEP = 860, 320, 44


def ratios(rows: Sequence[Row]) -> str:
    """For each case the CPU of a request: the floor's, the service's, and the target as a line."""
    longest = max(row.service.cpu for row in rows)
    scale = (_WIDTH - _LABELS - 130) / longest
    parts = []
    for number, row in enumerate(rows):
        top = 30 + number * _STEP
        parts.append(f'<text x="{_LABELS - 10}" y="{top + 18}" text-anchor="end" {_TEXT}>{escape(_name(row))}</text>')
        for offset, value, colour in ((0, row.floor.cpu, "#999999"), (14, row.service.cpu, "#1f77b4")):
            parts.append(f'<rect x="{_LABELS}" y="{top + offset}" width="{value * scale:.1f}" height="12" fill="{colour}"/>')
        at = _LABELS + row.floor.cpu * (row.target or 0) * scale
        label = f"{row.service.cpu:.2f} ms, {row.times_floor_cpu:.2f} times"
        beside = max(at, _LABELS + row.service.cpu * scale) + 6
        parts.append(f'<text x="{beside:.1f}" y="{top + 24}" {_TEXT}>{label}</text>')
        if row.target is not None:
            parts.append(f'<line x1="{at:.1f}" y1="{top - 3}" x2="{at:.1f}" y2="{top + 29}" stroke="#d62728" stroke-width="2"/>')
    title = "CPU of a request in milliseconds: the floor (grey), the service (blue), the target (red line); connections kept, or closed"
    return _svg(_WIDTH, 40 + len(rows) * _STEP, title, parts)


def _name(row: Row) -> str:
    return f"{row.case}{' (closed)' if row.close else ''}"


def knee(points: Sequence[Point]) -> str:
    """Requests per second to the right, p99 upwards on a logarithmic scale; a dot for each number of connections."""
    from math import log10  # noqa: PLC0415  nobody else needs it

    left, bottom, width, height = 60, 340, 700, 300
    most, slowest = max(point.per_second for point in points) * 1.1, max(point.p99 for point in points)
    top = log10(slowest * 1.2)

    def place(point: Point) -> tuple[float, float]:
        return left + point.per_second / most * width, bottom - max(log10(point.p99), 0) / top * height

    parts = [f'<path d="M{left} {bottom - height}V{bottom}H{left + width}" fill="none" stroke="black"/>']
    for milliseconds in (1, 10, 100, 1000):
        if log10(milliseconds) <= top:
            y = bottom - log10(milliseconds) / top * height
            parts.append(f'<text x="{left - 6}" y="{y + 4:.0f}" text-anchor="end" {_TEXT}>{milliseconds}</text>')
            parts.append(f'<line x1="{left}" y1="{y:.0f}" x2="{left + width}" y2="{y:.0f}" stroke="#dddddd"/>')
    parts += [
        f'<text x="{left + mark / most * width:.0f}" y="{bottom + 16}" text-anchor="middle" {_TEXT}>{mark}</text>'
        for mark in range(0, int(most), 200)
    ]
    for row, workers in enumerate(sorted({point.workers for point in points})):
        curve = [point for point in points if point.workers == workers]
        line = " ".join(f"{x:.0f},{y:.0f}" for x, y in map(place, curve))
        parts.append(f'<polyline points="{line}" fill="none" stroke="{_COLOURS[workers]}" stroke-width="2"/>')
        for point in curve:
            x, y = place(point)
            parts.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="3" fill="{_COLOURS[workers]}"/>')
            parts.append(f'<text x="{x + 5:.0f}" y="{y - 5:.0f}" font-family="sans-serif" font-size="9">{point.connections}</text>')
        label = f"{workers} worker{'s' if workers > 1 else ''}"
        parts.append(f'<text x="{left + 20}" y="{bottom - height + 20 + row * 18}" fill="{_COLOURS[workers]}" {_TEXT}>{label}</text>')
    title = "p99 in milliseconds (upwards) against requests per second (to the right); the small numbers are connections"
    return _svg(left + width + 40, bottom + 40, title, parts)


def _svg(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    background = f'<title>{escape(title)}</title><rect width="{width}" height="{height}" fill="white"/>'
    return f'{head}{background}<text x="10" y="18" {_TEXT}>{escape(title)}</text>{"".join(parts)}</svg>\n'
