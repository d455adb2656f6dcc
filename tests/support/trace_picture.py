"""Draws a trace: one bar for each span, below the span that caused it, in the colour of its process."""

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from tests.support.collector import CollectedSpan

_COLOURS = ("#1f6feb", "#bc4c00", "#8250df", "#1a7f37")
_WIDTH, _ROW, _LEFT, _RIGHT, _TOP = 920, 30, 250, 40, 64


def picture(spans: Sequence[CollectedSpan], *, title: str) -> str:
    """The picture as SVG."""
    began_ns = min(span.begin_ns for span in spans)
    whole_ns = max(span.end_ns for span in spans) - began_ns
    rows = list(_in_order(spans))
    places = {span.span_id: row for row, (span, _) in enumerate(rows)}
    # The process of the request first.
    processes = list(dict.fromkeys(span.process for span, _ in rows))

    def x(at_ns: int) -> float:
        return round(_LEFT + (at_ns - began_ns) / whole_ns * (_WIDTH - _LEFT - _RIGHT - 70), 1)

    def y(row: int) -> int:
        return _TOP + row * _ROW

    height = y(len(rows)) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="DejaVu Sans, sans-serif" font-size="12" fill="#1f2328">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="26" font-size="15" font-weight="bold">{escape(title)}</text>',
    ]
    for number, _ in enumerate(processes):
        colour, left = _COLOURS[number % len(_COLOURS)], 16 + number * 110
        parts.append(f'<rect x="{left}" y="38" width="12" height="12" rx="2" fill="{colour}"/>')
        parts.append(f'<text x="{left + 18}" y="48">process {chr(ord("A") + number)}</text>')
    for row, (span, depth) in enumerate(rows):
        colour = _COLOURS[processes.index(span.process) % len(_COLOURS)]
        left, right, top = x(span.begin_ns), x(span.end_ns), y(row)
        duration_ms = (span.end_ns - span.begin_ns) / 1e6
        parts.append(f'<text x="{16 + depth * 14}" y="{top + 18}">{escape(span.name)}</text>')
        parts.append(
            f'<rect x="{left}" y="{top + 6}" width="{max(right - left, 1.5):.1f}" height="16" rx="2" '
            f'fill="{colour}"/>'
        )
        parts.append(f'<text x="{right + 6:.1f}" y="{top + 18}" fill="#59636e">{duration_ms:.1f} ms</text>')
        for link in span.links:
            if link in places:
                parts.append(
                    f'<path d="M {left:.1f} {y(places[link]) + 22} V {top + 6}" stroke="#59636e" fill="none" '
                    'stroke-dasharray="3 3"/>'
                )
    parts.append(
        f'<text x="16" y="{height - 12}" fill="#59636e">{whole_ns / 1e6:.1f} ms in all. '
        "A dashed line is a link.</text>"
    )
    return "\n".join([*parts, "</svg>", ""])


def _in_order(spans: Sequence[CollectedSpan]) -> Iterator[tuple[CollectedSpan, int]]:
    """Each span with its depth, after the one that caused it."""
    known = {span.span_id for span in spans}

    def below(parent_id: str | None, depth: int) -> Iterator[tuple[CollectedSpan, int]]:
        children = [span for span in spans if (span.parent_id if span.parent_id in known else None) == parent_id]
        for child in sorted(children, key=lambda span: span.begin_ns):
            yield child, depth
            yield from below(child.span_id, depth + 1)

    return below(None, 0)
