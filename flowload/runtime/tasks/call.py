"""One call of an operator: what it may ask of the run, and the account of what it did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import get_ident
from typing import Any, Protocol

import numpy as np

from flowload.abc.operators import Block, Bytes, Device, Operator
from flowload.abc.powers import Closing
from flowload.blocks import Batch, Item
from flowload.chance import generator
from flowload.errors import ClosedRun, DataError, GraphError, TooManyErrors
from flowload.graph import Stage
from flowload.graph.flow import type_name
from flowload.observe.counting.metrics import Meter
from flowload.printable import printable
from flowload.runtime.capture import Noted

from .notices import Notices

__all__ = ["Failing", "Member", "RunCall"]

#: A share of skipped inputs says little before this many came in; at the end it is checked anyway.
_ENOUGH = 100

Lease = Callable[..., Bytes]  #: see `BufferPool.lease`


class Failing:
    """In `with Failing(call):` an error that is raised is what the call failed at; see `RunCall.failed`."""

    __slots__ = ("_call",)

    def __init__(self, call: RunCall) -> None:
        self._call = call

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            self._call.failed(error)


class Keeper(Protocol):
    """Keeps what calls failed at; see `flowload.runtime.capsules`."""

    def begins(self, member: Member, call: RunCall) -> None: ...

    def failed(self, member: Member, call: RunCall, error: BaseException) -> None: ...


class RunCall:
    """The `Call` that operators see; not valid after the call."""

    __slots__ = (
        "__weakref__",
        "_capsules",
        "_kept",
        "_keys",
        "_lease",
        "_member",
        "_skip",
        "block",
        "cpu",
        "drops",
        "epoch",
        "found",
        "lacks",
        "number",
        "rejects",
        "samples",
        "seconds",
        "stop",
    )

    def __init__(self, member: Member, number: int, samples: int, epoch: int = 0) -> None:
        self.number = number
        self.samples = samples  #: in the input block
        self.found: int | None = None  #: what the operator said that its input held
        self.drops: list[tuple[str, int]] = []
        self.rejects: list[tuple[DataError, int]] = []
        self.lacks: list[tuple[DataError, int]] = []  #: what was missing, and in how many samples
        self.seconds = 0.0
        self.cpu: float | None = None  #: seconds of CPU; None: not sampled
        self._keys = member.keys if member.keys_at is None or not epoch else member.keys_at(epoch)
        self._lease = member.lease
        self._kept: object = None
        self.stop = member.stop  #: see `Call.stop`
        self._skip = member.stage.on_error == "skip" and not member.strict
        self.epoch = epoch
        self.block: Block | None = None  #: kept for capsules alone
        self._member = member
        self._capsules = member.capsules

    def rng(self, *key: int) -> np.random.Generator:
        """See `Call.rng`."""
        return generator(self._keys, key or (self.number,))

    def key(self) -> tuple[int, int]:
        """See `Call.key`."""
        return self._keys

    def go_on(self) -> None:
        """See `Call.go_on`."""
        if self.stop[0]:
            raise ClosedRun("the run is being left")

    def lease(self, nbytes: int, device: Device | None = None) -> Bytes:
        """See `Call.lease`."""
        return self._lease(nbytes, device) if self._kept is None else self._lease(nbytes, device, self._kept)

    def keep(self, value: object) -> None:
        """See `Call.keep`."""
        self._kept = value

    def drop(self, count: int, reason: str) -> None:
        """See `Call.drop`."""
        if count:
            self.drops.append((reason, count))

    def reject(self, error: DataError, count: int = 1) -> None:
        """See `Call.reject`."""
        self.failed(error)
        if not self._skip:
            raise error
        self.rejects.append((error, count))

    def failed(self, error: BaseException) -> None:
        """Keep a capsule of this call, if the run keeps any."""
        if self._capsules is not None:
            self._capsules.failed(self._member, self, error)

    def reject_all(self, error: DataError) -> None:
        """The operator could not do anything with its input."""
        self.found = None
        self.drops.clear()
        self.rejects.clear()
        self.lacks.clear()
        self.reject(error, self.samples)

    def missing(self, count: int, what: DataError) -> None:
        """See `Call.missing`."""
        self.lacks.append((what, count))

    def opened(self, count: int) -> None:
        """See `Call.opened`."""
        self.found = count if self.found is None else self.found + count


@dataclass(slots=True)
class Member(Noted):
    """One operator in its run; `with member:` runs the operator's own code."""

    name: str  #: of the node, with the operator's number where a stage has several
    stage: Stage
    operator: Operator
    keys: tuple[int, int]
    lease: Lease
    keys_at: Callable[[int], tuple[int, int]] | None = None  #: those of a pass; None: the same for all
    meter: Meter = field(default_factory=Meter)
    notices: Notices = field(default_factory=Notices)  #: skips and gaps that were logged
    last_error: DataError | None = None  #: that was skipped
    tap: Callable[[Block], object] | None = None  #: shown every block before the operator has it
    stop: Bytes = field(default_factory=lambda: np.zeros(1, np.uint8))  #: of its run: see `Call.stop`
    #: told what the data are: raises where they are others than those of a state; None: there is no state
    verify: Callable[[Mapping[str, Any]], object] | None = None
    capsules: Keeper | None = None  #: keeps what calls failed at
    strict: bool = False  #: bad data are an error, whatever the stage's policy
    guard: str | None = None  #: why nothing may be left out here, if so
    lane: int | None = None  #: that it works for; None: there are none, or it works for all
    at: dict[int, str] = field(default_factory=dict)  #: the node whose code a thread runs, or ran last
    takes: tuple[type, ...] = ()  #: classes of blocks that it takes, where the wiring says nothing of them

    def __enter__(self) -> None:
        """Its operator's code runs in this thread: the stages of one job are told apart by that."""
        self.at[get_ident()] = self.node

    @property
    def label(self) -> str:
        """Its name, and that of its lane, for messages."""
        return self.name if self.lane is None else f"{self.name} of lane {self.lane}"

    def call(self, number: int, block: Block | None = None, samples: int = 0, *, epoch: int = 0) -> RunCall:
        """A new call for this operator, with a block of so many samples, keyed by the number of a pass.

        Raises GraphError for a block of a class that the stage does not take.
        """
        if self.takes and block is not None and not isinstance(block, self.takes):
            with self:
                raise GraphError(unfit(self.node, block, self.takes))
        if self.tap is not None and block is not None:
            self.tap(block)
        call = RunCall(self, number, samples, epoch)
        if self.capsules is not None:
            call.block = block
            self.capsules.begins(self, call)
        return call

    def close(self) -> None:
        """The last call is over: close what the operator has open."""
        if isinstance(self.operator, Closing):
            with self:
                self.operator.close()

    def settle(self, call: RunCall, *, blocks: int = 1) -> None:
        """Account for a finished call; called in stream order. May raise TooManyErrors."""
        meter = self.meter
        meter.blocks_in += blocks
        meter.took(call.seconds, call.cpu)
        self.enter(call)

    def enter(self, call: RunCall) -> None:
        """Account for the samples of a call alone. May raise TooManyErrors, or GraphError: see `guard`."""
        meter = self.meter
        if self.guard is not None and (call.drops or call.rejects):
            with self:
                raise GraphError(self.guard)
        meter.taken += call.samples
        meter.in_ += call.samples if call.found is None else call.found
        for reason, count in call.drops:
            meter.dropped[printable(reason)] += count
        for error, count in call.rejects:
            meter.in_ += 0 if call.found is None else count
            meter.dropped[printable(error.reason)] += count
            meter.skipped += count
            self.last_error = error
            self.notices.skipped(self.node, error, count)
            self.check_budget(final=False)
        for what, count in call.lacks:
            meter.missing += count
            self.notices.missing(self.node, what)

    def check_budget(self, *, final: bool) -> None:
        """Raise TooManyErrors when more was skipped than the stage allows."""
        limit = self.stage.max_errors
        meter = self.meter
        if limit is None or not meter.skipped:
            return
        if isinstance(limit, float):
            if not final and meter.taken < _ENOUGH:
                return
            # Of the inputs: what is rejected is a chunk, not as many frames as nobody could count.
            spent, budget = meter.skipped > limit * meter.taken, f"a share of {limit:g} of {meter.taken:,}"
        else:
            spent, budget = meter.skipped > limit, f"{limit:,}"
        if spent:
            error = self.last_error
            where = self.node if error is None else error.where
            found, wanted = f"{meter.skipped:,}", f"at most {budget}"
            with self:
                raise TooManyErrors("too many bad inputs", where=where, found=found, wanted=wanted) from error


def unfit(node: str, block: Block, takes: tuple[type, ...]) -> str:
    """What is told of a block that a stage does not take, and that the wiring could not know of."""
    wanted = f"wanted {' or '.join(type_name(kind) for kind in takes)}"
    if not isinstance(block, Item):
        return f"{node}: {type(block).__name__} came; {wanted}"
    way_out = (
        " (a dict of arrays with one row a sample in each); where each element of a source is one sample: "
        "fl.source(fn, samples=True)"
    )
    came = f"{node}: {type(block.value).__name__} came, which is one value; {wanted}"
    return came + way_out * (Batch in takes)
