"""The verdict in words."""

from __future__ import annotations

from typing import Any

from flowload.observe.figures import counted, duration_of, rate, share
from flowload.observe.verdict import Limit, Verdict

__all__ = ["as_json", "brief", "told"]


def told(verdict: Verdict | None) -> list[str]:
    """What limits now, what it is worth, and how sure that is: three lines at most."""
    if verdict is None:
        return ["limit: unknown; nothing was delivered yet"]
    if verdict.short:
        return [f"limit: too short to tell; {verdict.why}"]
    then = named(verdict.then, brief=True)
    return [
        f"limit: {named(verdict.limit)}, used {share(verdict.limit.used)}",
        f"  2 x faster, the whole would gain {gained(verdict)}; then {then} limits",
        f"  confidence {verdict.confidence}: {verdict.why}",
    ]


def brief(verdict: Verdict | None) -> str:
    """One line, for pictures."""
    if verdict is None:
        return "nothing was delivered yet"
    if verdict.short:
        return f"too short to tell: {verdict.why}"
    limit = named(verdict.limit, brief=True)
    used = share(verdict.limit.used)
    return f"{limit} limits ({used} used); 2 x faster: {gained(verdict)} (confidence {verdict.confidence})"


def as_json(verdict: Verdict | None) -> dict[str, Any] | None:
    """The numbers, and the words."""
    if verdict is None:
        return None
    stations = [{**s._asdict(), "shares": dict(s.shares), "bound": s.bound} for s in verdict.stations]
    limits = {"limit": verdict.limit._asdict(), "then": verdict.then._asdict()}
    return {**verdict._asdict(), **limits, "stations": stations, "words": told(verdict)}


def gained(verdict: Verdict) -> str:
    """The gain in percent, and where it leads."""
    more = verdict.gain - 1
    return f"+{share(more)} ({rate(verdict.rate)} to {rate(verdict.rate * verdict.gain)})"


def named(limit: Limit, *, brief: bool = False) -> str:
    """A limit, and whose time it is."""
    who = repr(limit.who)
    time = f"{duration_of(limit.demand)} a sample"
    workers = counted(limit.servers, "worker", "workers")
    short, long = {
        "stage": (who, f"{who} ({workers}, {time})"),
        "disk": (f"the disk, for {who}", f"the disk: {who} ({workers}, {time}) waits for it"),
        "network": (f"the network, for {who}", f"the network: {who} ({workers}, {time}) waits for it"),
        "executor": (
            f"the {limit.name} executor, above all {who}",
            f"the {limit.name} executor ({limit.servers} threads, {time});"
            f" {share(limit.part)} of that is {who}",
        ),
        "cpu": (
            f"CPU time, above all of {who}",
            f"the {limit.name} ({time}); {share(limit.part)} of that is {who}",
        ),
        "lock": (
            f"Python's lock, above all held by {who}",
            f"Python's lock ({time}), which one thread has at a time; {share(limit.part)} of that is {who}:"
            " more workers do not help, numpy or a kernel does",
        ),
        "loop": ("the event loop", f"the event loop ({time}): make blocks larger"),
        "consumer": ("the consumer", f"the consumer ({time})"),
    }[limit.kind]
    return short if brief else long
