"""What a page can have of a run beside its picture: all its numbers, who does what, a trace, metrics."""

from __future__ import annotations

import json
from threading import Event
from typing import Any

from flowload.errors import ClosedRun
from flowload.observe.json_values import plain
from flowload.observe.stats import RunStats
from flowload.observe.trace import Trace

from .feed import Seen

__all__ = ["answer"]

TRACED = 3.0  #: seconds that a page's trace is of
SLICES = 50_000


def answer(run: Seen | None, last: RunStats | None, what: str, stop: Event) -> tuple[bytes, str]:
    """The answer and its kind. Raises LookupError where there is none.

    Args:
        run: the run; None: it has gone.
        last: what was last seen of it.
        what: `stats.json`, `dump.txt`, `trace.json` or `metrics`.
        stop: ends a trace early.
    """
    try:
        now = last if run is None else run.stats()
    except ClosedRun:
        now = last
    if now is None:
        raise LookupError("the run has not begun")
    if what == "stats.json":
        return json.dumps(plain(now.as_json()), indent=1).encode(), "application/json"
    if what == "metrics":
        return metrics(now), "text/plain; version=0.0.4; charset=utf-8"
    if run is None or (now.outcome is not None and now.outcome.kind in ("over", "left", "failed")):
        raise LookupError("the run is over")
    if what == "dump.txt":
        return ("\n".join(run.dump().lines()) + "\n").encode(), "text/plain; charset=utf-8"
    return json.dumps(trace_of(run, stop)).encode(), "application/json"


def trace_of(run: Seen, stop: Event) -> dict[str, Any]:
    """The trace that is written anyway; or one of the next few seconds."""
    written = run.recording
    if written is not None:
        return written.as_json()
    trace = Trace(SLICES)
    run.record(trace)
    stop.wait(TRACED)
    still = run.recording
    if still is trace:
        run.record(None)
    return trace.as_json()


def metrics(now: RunStats) -> bytes:
    """In Prometheus' text format."""
    try:
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise LookupError("metrics need prometheus-client: pip install 'flowload[metrics]'") from error
    from flowload.adapters.prometheus import Collector  # noqa: PLC0415 - the same extra

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector(Still(now)))
    return bytes(generate_latest(registry))


class Still:
    """A run as it was."""

    def __init__(self, now: RunStats) -> None:
        self.now = now

    def stats(self) -> RunStats:
        """Always the same."""
        return self.now
