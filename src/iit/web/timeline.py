"""The timeline of a patient as shapes: bars for medicine in hand, gaps between them, marks for pick-ups."""

from datetime import date
from typing import Final, NamedTuple

from iit.services.patients import CycleView, Timeline

WIDTH: Final = 960
_MARGIN: Final = 12


class Bar(NamedTuple):
    """A stretch of days: where it begins and how long it is in pixels, what it is, and words for it."""

    x: float
    width: float
    kind: str
    title: str


class Tick(NamedTuple):
    """A year's beginning."""

    x: float
    label: str


class Chart(NamedTuple):
    """All shapes of a timeline."""

    bars: list[Bar]
    marks: list[Bar]
    ticks: list[Tick]
    today: float


def draw(timeline: Timeline) -> Chart | None:
    """Return the shapes of a timeline, or None without a pick-up."""
    cycles = timeline.cycles
    if not cycles:
        return None
    first = cycles[0].pickup_on
    last = max(timeline.as_of, cycles[-1].interruption_on)
    scale = (WIDTH - 2 * _MARGIN) / max((last - first).days, 1)

    def x(on: date) -> float:
        return round(_MARGIN + (on - first).days * scale, 1)

    bars, marks = [], []
    for cycle in cycles:
        end = min(cycle.expected_on, cycle.next_pickup_on or cycle.expected_on)
        supply = f"{cycle.days_supplied} days of medicine from {cycle.pickup_on}"
        bars.append(Bar(x(cycle.pickup_on), max(x(end) - x(cycle.pickup_on), 1), "supply", supply))
        bars += [Bar(x(a), max(x(b) - x(a), 1), kind, title) for a, b, kind, title in _gaps(cycle, timeline.as_of)]
        marks.append(Bar(x(cycle.pickup_on), 2, "pickup", f"picked up on {cycle.pickup_on}"))
    ticks = [Tick(x(date(year, 1, 1)), str(year)) for year in range(first.year + 1, last.year + 1)]
    return Chart(bars, marks, ticks, x(timeline.as_of))


def _gaps(cycle: CycleView, as_of: date) -> list[tuple[date, date, str, str]]:
    """Return the days without medicine after a cycle: late up to day 28, interrupted from day 29."""
    back = cycle.next_pickup_on or as_of
    if back <= cycle.expected_on:
        return []
    late_until = min(back, cycle.interruption_on)
    gaps = [(cycle.expected_on, late_until, "late", f"late from {cycle.expected_on}")]
    if back > cycle.interruption_on:
        gaps.append((cycle.interruption_on, back, "interrupted", f"interrupted from {cycle.interruption_on}"))
    return gaps
