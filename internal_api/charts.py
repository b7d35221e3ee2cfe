"""Small charts, drawn on the server as SVG; their numbers stand beside them in a table."""

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, HEIGHT, GAP = 6, 24, 1  # of a bar and between two, in pixels


def bars(values: Sequence[int], title: str) -> SafeString:
    """A bar for each value, the oldest first. `title` is what a screen reader tells."""
    highest = max([*values, 1])
    heights = [round(value / highest * HEIGHT, 1) for value in values]
    drawn = format_html_join(
        "",
        '<rect x="{}" y="{}" width="{}" height="{}" fill="currentColor"/>',
        ((index * (WIDTH + GAP), HEIGHT - height, WIDTH, height) for index, height in enumerate(heights)),
    )
    width = len(values) * (WIDTH + GAP)
    return format_html(
        '<svg role="img" aria-label="{}" width="{}" height="{}" viewBox="0 0 {} {}">{}</svg>', title, width, HEIGHT, width, HEIGHT, drawn
    )
