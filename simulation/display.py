"""Shows the progress during a simulation, and the summary at its end."""

import asyncio
from collections.abc import Callable, Iterator, Mapping

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from simulation.options import Options
from simulation.progress import Phase, Progress
from simulation.summary import Summary, Times

_REDRAW_S = 0.25
_LINE_EVERY_S = 5.0


async def show(progress: Callable[[], Progress], options: Options, console: Console) -> None:
    """Show the progress until cancelled: a live table on a terminal, otherwise a line every few seconds."""
    if not console.is_terminal:
        await _print_lines(progress, console)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(board(progress(), options), refresh=True)
            await asyncio.sleep(_REDRAW_S)


async def _print_lines(progress: Callable[[], Progress], console: Console) -> None:
    """Print a line every few seconds and at each new phase, from the server's first answer on."""
    shown: Phase | None = None
    next_s = 0.0
    while True:
        now, now_s = progress(), asyncio.get_running_loop().time()
        if now.phase is not Phase.CALLING and (now.phase is not shown or now_s >= next_s):
            console.print(line(now), soft_wrap=True, highlight=False)
            shown, next_s = now.phase, now_s + _LINE_EVERY_S
        await asyncio.sleep(_REDRAW_S)


def line(now: Progress) -> str:
    """The progress as one line."""
    summary = now.summary
    if now.phase in {Phase.SIGNING_UP, Phase.CONNECTING}:
        return f"{now.phase}: {now.signed_up} of {now.people} people have signed up"
    if now.phase is Phase.WAITING:
        return _approve(now)
    waiting = summary.open + summary.given_back
    return (
        f"{now.phase}, {now.seconds_left:.0f} s left: {summary.requests} requests ({waiting} open, "
        f"{summary.under_way} under way, {summary.completed} completed, {_cancelled(summary)} "
        f"cancelled, {summary.expired} expired){_waiting(now)}, accepted in {_both(summary.time_to_accept)}, "
        f"{summary.offers} offers, {summary.positions} positions, {sum(summary.errors.values())} errors"
    )


def board(now: Progress, options: Options) -> Group:
    """The progress as a screen."""
    summary = now.summary
    if now.phase is Phase.CALLING:
        return Group(Text(f"Calling {options.url}"))
    if now.phase is Phase.SIGNING_UP:
        title = f"Signing up: {now.signed_up} of {now.people}. Passwords are hashed slowly on purpose."
        return Group(Text(title), ProgressBar(now.people, now.signed_up, width=60))
    if now.phase is Phase.WAITING:
        return Group(Text(_approve(now)))
    title = f"{now.phase.capitalize()}, {now.seconds_left:.0f} s left"
    table = Table.grid(padding=(0, 3))
    for _ in range(3):
        table.add_column(min_width=24)
    trips = _column(
        ("requests", summary.requests),
        ("open", summary.open + summary.given_back),
        ("under way", summary.under_way),
        ("completed", summary.completed),
        ("cancelled", _cancelled(summary)),
        ("expired", summary.expired),
    )
    live = _column(
        ("accepted in, p50", _time(summary.time_to_accept.p50_ms)),
        ("accepted in, p99", _time(summary.time_to_accept.p99_ms)),
        ("offers received", f"{summary.offers:,}"),
        ("positions reported", f"{summary.positions:,}"),
        ("positions seen", f"{summary.positions_seen:,}"),
        ("breaks", summary.breaks),
    )
    load = _column(
        ("riders", options.riders),
        ("drivers", options.drivers),
        ("HTTP requests a second", f"{summary.http_requests_per_s:,.0f}"),
        ("reconnects", summary.reconnects),
        ("rate limited", summary.rate_limited),
        ("errors", sum(summary.errors.values())),
    )
    table.add_row(trips, live, load)
    done = options.seconds - now.seconds_left
    return Group(Text(f"{options.url}: {title}"), ProgressBar(options.seconds, done, width=60), Text(), table)


def table(summary: Summary) -> Table:
    """The summary for people."""
    result = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    result.add_column()
    result.add_column(justify="right")
    result.add_column()
    for label, value, note in _rows(summary):
        result.add_row(label, value, note)
    return result


def _rows(summary: Summary) -> Iterator[tuple[str, str, str]]:
    yield "requests", f"{summary.requests:,}", f"in {summary.seconds:.0f} s"
    yield "  accepted", f"{summary.accepted:,}", ""
    yield "    completed", f"{summary.completed:,}", ""
    yield "    under way", f"{summary.under_way:,}", ""
    yield "    called off by the rider", f"{summary.called_off:,}", ""
    yield "    the rider did not come", f"{summary.no_shows:,}", _still(summary.waiting_for_rider, summary)
    yield "    left a silent driver", f"{summary.left:,}", _still(summary.waiting_to_leave, summary)
    yield "    given back, not taken again", f"{summary.given_back:,}", ""
    yield "  cancelled before", f"{summary.cancelled:,}", ""
    yield "  expired", f"{summary.expired:,}", ""
    yield "  still open", f"{summary.open:,}", ""
    if summary.requests_skipped:
        yield "not requested", f"{summary.requests_skipped:,}", "every rider had a trip: use more --riders"
    yield "cancelled or given back", f"{sum(summary.cancel_codes.values()):,}", _listed(summary.cancel_codes)
    yield "arrivals reported", f"{summary.arrivals:,}", f"{summary.estimates:,} estimates before the requests"
    yield "breaks", f"{summary.breaks:,}", f"{summary.breaks_on_trips:,} during a trip"
    yield "phones without battery", f"{summary.dead_phones:,}", ""
    yield "ratings", f"{summary.ratings:,}", ""
    yield "time to accept, p50", _time(summary.time_to_accept.p50_ms), "with the drivers' time to react"
    yield "time to accept, p99", _time(summary.time_to_accept.p99_ms), ""
    yield "time to the first offer, p50", _time(summary.time_to_first_offer.p50_ms), "the server's part of it"
    yield "time to the first offer, p99", _time(summary.time_to_first_offer.p99_ms), ""
    yield "offers sent", f"{summary.offers:,}", f"and {summary.offers_in_snapshots:,} in snapshots"
    yield "offers withdrawn", f"{sum(summary.withdrawn.values()):,}", _listed(summary.withdrawn)
    yield "positions reported", f"{summary.positions:,}", f"riders saw their car {summary.positions_seen:,} times"
    yield "HTTP requests", f"{summary.http_requests:,}", f"{summary.http_requests_per_s:,.1f} a second"
    yield "too late, or not possible", f"{sum(summary.answers.values()):,}", _listed(summary.answers)
    yield "rate limited", f"{summary.rate_limited:,}", ""
    yield "reconnects", f"{summary.reconnects:,}", ""
    yield "errors", f"{sum(summary.errors.values()):,}", _listed(summary.errors)
    yield "trips accepted by two drivers", f"{summary.accepted_by_two:,}", _verdict(summary.accepted_by_two)
    yield "accepted, unknown to the rider", f"{summary.not_heard_by_rider:,}", _verdict(summary.not_heard_by_rider)
    yield "older state after a newer one", f"{summary.older_after_newer:,}", _verdict(summary.older_after_newer)
    yield "offered or given in a pause", f"{summary.paused_wrongly:,}", _verdict(summary.paused_wrongly)
    yield "arrivals unknown to the rider", f"{summary.arrivals_not_heard:,}", _verdict(summary.arrivals_not_heard)
    yield "ended before its time", f"{summary.ended_too_early:,}", _verdict(summary.ended_too_early)
    yield "begun with a wrong PIN", f"{summary.wrong_pins:,}", _verdict(summary.wrong_pins)
    yield "wrong ratings", f"{summary.wrong_ratings:,}", _verdict(summary.wrong_ratings)


def _column(*rows: tuple[str, object]) -> Table:
    column = Table.grid(padding=(0, 1))
    column.add_column(style="dim")
    column.add_column(justify="right", style="bold", min_width=7)
    for label, value in rows:
        column.add_row(label, str(value))
    return column


def _cancelled(summary: Summary) -> int:
    return summary.cancelled + summary.called_off + summary.no_shows + summary.left


def _waiting(now: Progress) -> str:
    """Who waits because the server says so; empty if nobody does."""
    waiting = now.summary.waiting_for_rider + now.summary.waiting_to_leave
    text = f", {waiting} waiting up to {now.summary.longest_wait_s} s as the server says" if waiting else ""
    return f"{text}, {now.unapproved} drivers not approved" if now.unapproved else text


def _approve(now: Progress) -> str:
    return f"{now.phase}: staff must approve the {now.unapproved} drivers, in the admin at /admin"


def _still(waiting: int, summary: Summary) -> str:
    return f"{waiting:,} still waiting: the server says up to {summary.longest_wait_s} s" if waiting else ""


def _verdict(faults: int) -> str:
    return "as it must be" if faults == 0 else "THE SERVER IS WRONG"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))


def _both(times: Times) -> str:
    return f"{_time(times.p50_ms)} (p50), {_time(times.p99_ms)} (p99)"


def _time(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "-"
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"
