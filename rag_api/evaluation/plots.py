"""Plots as inline SVG. Pure. What tells series apart is also told by shape, and colours come from the page's style."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from rag_api.evaluation.intervals import Interval
from rag_api.evaluation.metrics import percentile

WIDTH, LABELS_WIDTH, MARGIN = 760, 190, 24
ROW, DOT = 26, 4.5
PLOT_HEIGHT = 220
CURVE_POINTS = 200
SERIES = ("ours", "theirs")


@dataclass(frozen=True, slots=True)
class Row:
    """A label with a value and its interval for each series; None: that one has none."""

    label: str
    points: tuple[tuple[float, Interval] | None, ...]


def dots(rows: Sequence[Row], *, title: str, says: str, low: float, high: float, unit: str) -> str:
    """A line a row: a dot for each value, a whisker for its interval."""

    def x(value: float) -> float:
        share = (min(max(value, low), high) - low) / (high - low)
        return LABELS_WIDTH + share * (WIDTH - LABELS_WIDTH - MARGIN)

    height = ROW * len(rows) + 2 * MARGIN
    parts = _ticks([low + (high - low) * part / 4 for part in range(5)], x, height - MARGIN, unit)
    if low < 0 < high:
        parts.append(_line(x(0), MARGIN / 2, x(0), height - MARGIN, "zero"))
    for number, row in enumerate(rows):
        middle = MARGIN + ROW * number + ROW / 2
        parts.append(_text(LABELS_WIDTH - 10, middle + 4, row.label, "label"))
        given = [(at, point) for at, point in enumerate(row.points) if point]
        for at, (value, interval) in given:
            y = middle + (at - (len(row.points) - 1) / 2) * 9
            parts.append(_line(x(interval.low), y, x(interval.high), y, f"whisker {SERIES[at]}"))
            parts.append(_mark(x(value), y, at))
    return _svg(height, title, says, parts)


def bars(values: Sequence[float], *, title: str, says: str, low: float, high: float) -> str:
    """The values in falling order as one stepped area, shares on the upright axis."""
    ordered = sorted(values, reverse=True)
    left, right, bottom = 64.0, WIDTH - MARGIN, PLOT_HEIGHT - MARGIN

    def y(value: float) -> float:
        return MARGIN / 2 + (high - value) / (high - low) * (bottom - MARGIN / 2)

    step = (right - left) / len(ordered)
    path = [f"M{left:.1f},{y(0):.1f}"]
    for number, value in enumerate(ordered):
        path += [f"V{y(value):.1f}", f"H{left + step * (number + 1):.1f}"]
    path += [f"V{y(0):.1f}", "Z"]
    parts = []
    for part in range(5):
        value = low + (high - low) * part / 4
        parts.append(_line(left, y(value), right, y(value), "grid"))
        parts.append(_text(left - 8, y(value) + 4, f"{100 * value:.0f} %".replace("-", "−"), "label"))
    parts.append(f'<path d="{" ".join(path)}" class="area ours"/>')
    parts.append(_line(left, y(0), right, y(0), "zero"))
    parts.append(_text((left + right) / 2, PLOT_HEIGHT - 4, f"{len(ordered)} questions, in falling order", "tick"))
    return _svg(PLOT_HEIGHT, title, says, parts)


def curves(series: Sequence[Sequence[float]], *, title: str, says: str) -> str:
    """Which share of the times is at most so many milliseconds, on a logarithmic axis; 50, 95 and 99 % are marked."""
    given = [values for values in series if values]
    left, right, bottom = 64.0, WIDTH - MARGIN, PLOT_HEIGHT - 2 * MARGIN
    low = max(min(min(values) for values in given), 0.01)
    ticks = _round_values(low, max(max(values) for values in given) * 1.001)
    first, last = math.log(ticks[0]), math.log(ticks[-1])

    def x(value: float) -> float:
        return left + (math.log(max(value, ticks[0])) - first) / (last - first) * (right - left)

    def y(percent: float) -> float:
        return MARGIN / 2 + (100 - percent) / 100 * (bottom - MARGIN / 2)

    parts = _ticks(ticks, x, bottom, "ms")
    for percent in (0, 50, 95):
        parts.append(_line(left, y(percent), right, y(percent), "grid"))
        parts.append(_text(left - 8, y(percent) + 4, f"{percent} %", "label"))
    for at, values in enumerate(series):
        if not values:
            continue
        points = [(x(percentile(values, step / CURVE_POINTS * 100)), y(step / CURVE_POINTS * 100))
                  for step in range(CURVE_POINTS + 1)]  # fmt: skip
        drawn = " ".join(f"{across:.1f},{down:.1f}" for across, down in points)
        parts.append(f'<polyline points="{drawn}" class="curve {SERIES[at]}"/>')
        parts += [_mark(x(percentile(values, percent)), y(percent), at) for percent in (50, 95, 99)]
    return _svg(PLOT_HEIGHT - MARGIN, title, says, parts)


def _round_values(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, … from the one at or below `low` to the one at or above `high`; at least two."""
    steps = [digit * 10.0**power for power in range(-3, 9) for digit in (1, 2, 5)]
    begin = max(number for number, step in enumerate(steps) if step <= low)
    end = next((number for number, step in enumerate(steps) if step >= high and number > begin), len(steps) - 1)
    return steps[begin : end + 1]


def _ticks(values: Sequence[float], x: Callable[[float], float], bottom: float, unit: str) -> list[str]:
    parts = []
    for value in values:
        parts.append(_line(x(value), MARGIN / 2, x(value), bottom, "grid"))
        number = f"{100 * value:.4g} %" if unit == "share" else f"{value:g} ms"
        parts.append(_text(x(value), bottom + 16, number.replace("-", "−"), "tick"))
    return parts


def _mark(x: float, y: float, at: int) -> str:
    """A disc for ours, a hollow diamond for theirs."""
    if at == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{DOT}" class="mark ours"/>'
    corners = [(x, y - DOT - 1), (x + DOT + 1, y), (x, y + DOT + 1), (x - DOT - 1, y)]
    points = " ".join(f"{across:.1f},{down:.1f}" for across, down in corners)
    return f'<polygon points="{points}" class="mark theirs"/>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class={quoteattr(kind)}/>'


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class={quoteattr(kind)}>{escape(text)}</text>'


def _svg(height: float, title: str, says: str, parts: Sequence[str]) -> str:
    described = f"<title>{escape(title)}</title><desc>{escape(says)}</desc>"
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img">{described}{"".join(parts)}</svg>'
