"""How one segment saves its part of the run's state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter, thread_time
from typing import TYPE_CHECKING, Any

from flowload.runtime.message import Label

from .meters import counts_of
from .operators import NOTHING, Unsaved, says_states, states_of
from .snapshots import ENDED, FIRST, Part, Snapshots

if TYPE_CHECKING:  # a member's call is told of by tasks, which save by this module
    from flowload.runtime.tasks.call import Member

__all__ = ["Saver"]

AGAIN = 0.125  #: of the time between two cuts, after which one that was refused is asked for again


class Saver:
    """One segment's way to save its parts; used by its task alone.

    Args:
        snapshots: of the run.
        k: which segment it is.
        members: its operators.
    """

    def __init__(self, snapshots: Snapshots, k: int, members: Sequence[Member]) -> None:
        self.snapshots = snapshots
        self.k = k
        self.members = members
        self.stateful: list[bool] = []  #: of each; asked when a part is saved first
        self.label = FIRST  #: the latest cut that has passed
        self.since = perf_counter()  #: when a part was saved last
        self.next_finer = self.since + snapshots.interval  #: when a cut of its own may be due; never before

    def due(self) -> Label | None:
        """See `Snapshots`."""
        return self.snapshots.due(self.k)

    def last(self) -> Label | None:
        """See `Snapshots`."""
        return self.snapshots.last(self.k)

    @property
    def finer_is_due(self) -> bool:
        """Whether it may be time for a cut of its own: a look at a clock, at every message."""
        return perf_counter() >= self.next_finer or self.snapshots.eager

    def finer(self) -> Label | None:
        """See `Snapshots.finer_cut`; what it refuses is not asked for again at every block."""
        label = self.snapshots.finer_cut(self.k, self.label, self.since)
        if label is None:
            interval = self.snapshots.interval
            self.next_finer = max(self.since + interval, perf_counter() + interval * AGAIN)
        return label

    def save(
        self,
        label: Label,
        sent: Mapping[str, int],
        value: Mapping[str, Any],
        inputs: Sequence[Label] | None = None,
    ) -> bool:
        """Save the task's own counts and what its operators say; False: one of them cannot be saved.

        Args:
            label: where its outputs stand.
            sent: messages written, by port.
            value: counts of the task.
            inputs: where its inputs stand; None: there, too.
        """
        began = thread_time()  # not the clock: what others do on a busy machine is no cost of this
        try:
            self.stateful = self.stateful or says_states(self.members)
            states = states_of(self.members, self.stateful)
        except Unsaved as why:
            if str(why):
                self.snapshots.lack(str(why))
            return False
        value = {**value, "states": states, "counts": counts_of(self.members)}
        part = Part(tuple(inputs or (label,)), label, dict(sent), value)
        self.snapshots.report(self.k, part, thread_time() - began)
        self.label, self.since = label if inputs is None else self.label, perf_counter()
        self.next_finer = self.since + self.snapshots.interval
        return True

    def end(self, inputs: int, sent: Mapping[str, int], given: Mapping[str, int]) -> None:
        """The segment's stream is over; `given`: samples of a route's parts."""
        nothing = [NOTHING] * len(self.members)
        value = {
            "ended": True,
            "given": dict(given),
            "states": nothing,
            "counts": counts_of(self.members),
        }
        self.snapshots.end(self.k, Part((ENDED,) * inputs, ENDED, dict(sent), value))
