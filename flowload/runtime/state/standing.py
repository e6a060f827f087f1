"""Where all of a run stands: written as one value, and put into another run before it begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from flowload.abc.operators import Turn
from flowload.errors import GraphError
from flowload.runtime.tasks.epochs import Stand

from .meters import recount
from .operators import NOTHING, put_back
from .saver import Saver
from .snapshots import ENDED, FIRST, Part, Place, Snapshots
from .tail import Tail, tails_of

if TYPE_CHECKING:  # it is built of segments, which save by modules of this room
    from flowload.runtime.channel import Channel
    from flowload.runtime.compile import CompiledGraph
    from flowload.runtime.tasks.segment import Segment

__all__ = ["Standing", "made_again", "write"]

OWN = "counts", "states"  #: of each operator; all else is of the task


class Standing:
    """The state of one run.

    Args:
        compiled: its graph, opened.
        saved: what `value` gave in the run that this one goes on from; None: it begins.
    """

    why: str | None = None  #: why a part of it begins anew

    def __init__(self, compiled: CompiledGraph, saved: Mapping[str, Any] | None = None) -> None:
        self.compiled = compiled
        self.goes_on = saved is not None
        self.tails = tails_of(compiled)
        behind = {id(segment) for tail in self.tails.values() for segment in tail.segments}
        self.segments = [segment for segment in compiled.segments if id(segment) not in behind]
        self.writers = {
            id(channel): (k, port)
            for k, segment in enumerate(self.segments)
            for port, channel in segment.outputs.items()
        }
        for tail in self.tails.values():
            tail.channels[0].numbers_trail = True
            for channel in tail.channels:
                channel.ends_cuts = True
        parts = [Part((FIRST,) * len(segment.inputs), FIRST, {}, None) for segment in self.segments]
        if saved is not None:
            parts = self.stand(parts, saved)
        self.snapshots = Snapshots(self.places(), parts, self.given)
        for k, segment in enumerate(self.segments):
            segment.saver = Saver(self.snapshots, k, segment.members)

    def places(self) -> list[Place]:
        """How the segments that save parts hang together."""
        joined: set[int] = set()  # those that have a join behind them
        for k in reversed(range(len(self.segments))):
            if len(self.segments[k].inputs) > 1 or k in joined:
                joined |= {k, *(self.writer(channel)[0] for channel in self.segments[k].inputs)}
        heads = self.heads()
        return [
            Place(
                name=segment.name,
                inputs=tuple(map(self.writer, segment.inputs)),
                outputs={
                    port: heads[id(segment), port] for port in segment.outputs if (id(segment), port) in heads
                },
                joins=k in joined,
            )
            for k, segment in enumerate(self.segments)
        ]

    def heads(self) -> dict[tuple[int, str], str]:
        """The outputs behind ports of segments that save parts."""
        return {(id(tail.head), tail.port): name for name, tail in self.tails.items()}

    def writer(self, channel: Channel) -> tuple[int, str]:
        """The number of the segment that writes a channel, and its port."""
        return self.writers[id(channel)]

    def given(self) -> dict[str, int]:
        """Of each output, the number of the head's message that the reader's last block is made of."""
        return {name: self.boundaries(name).stands[0].trail[0] for name in self.tails}

    def boundaries(self, output: str) -> Any:
        """Where the passes of an output end, and which blocks its reader has had."""
        return self.compiled.outputs[output].boundaries

    # ---- writing

    def value(self, delivered: Mapping[str, int]) -> dict[str, Any]:
        """Where the run stands for readers that have got so many blocks of each output; with arrays."""
        stands = {name: self.boundaries(name).stand(delivered[name]) for name in self.tails}
        parts = self.snapshots.find({name: stand.trail[0] for name, stand in stands.items()})
        self.snapshots.took(parts)
        written: dict[str, Any] = {"outputs": {}, "tasks": {}, "members": {}}
        for name, stand in stands.items():
            written["outputs"][name] = {**stand._asdict(), "trail": stand.trail[0]}
            if len(stand.trail) > 1:
                for segment, value in zip(self.tails[name].segments, stand.trail[1:], strict=True):
                    write(written, segment, value)
        for segment, part in zip(self.segments, parts, strict=True):
            if part.value is not None:
                write(written, segment, {"sent": dict(part.sent), **part.value})
        self.snapshots.tell()
        if self.snapshots.lacks is not None:
            written["lacks"] = self.snapshots.lacks
        return written

    def cut(self) -> None:
        """Have cuts made; see `Snapshots.ask`."""
        self.snapshots.ask()
        self.snapshots.tell()

    def again(self, delivered: Mapping[str, int]) -> int | None:
        """How many blocks a stage makes again, at most, in a run that goes on from the state of now."""
        given = {name: self.boundaries(name).stand(delivered[name]).trail[0] for name in self.tails}
        return made_again(self.snapshots, given) + any(delivered.values())  # the reader's last in any case

    # ---- going on

    def stand(self, parts: list[Part], saved: Mapping[str, Any]) -> list[Part]:
        """Let tasks and channels begin where another run stood; the parts with which this one begins."""
        begun = [self.begin(segment, part, saved) for segment, part in zip(self.segments, parts, strict=True)]
        for segment in self.segments:
            for channel, surplus in zip(
                segment.inputs, (segment.saved or {}).get("surplus", ()), strict=False
            ):
                channel.surplus = surplus
        for name, tail in self.tails.items():
            self.begin_tail(tail, name, saved)
        return begun

    def begin(self, segment: Segment, part: Part, saved: Mapping[str, Any]) -> Part:
        """Let one segment begin there."""
        value = read(saved, segment)
        if value is None:
            return part
        segment.saved = value
        recount(segment.members, value["counts"])
        segment.given = Counter(value.get("given", {}))
        if "idle" in value:
            segment.idle_log.restore(value["idle"])
        for port, channel in segment.outputs.items():
            channel.sent = value["sent"].get(port, 0)
            channel.passed.samples = segment.gave(port)
        return Part(part.inputs, part.label, value["sent"], value)

    def begin_tail(self, tail: Tail, name: str, saved: Mapping[str, Any]) -> None:
        """Let an output begin there, and what lies before it."""
        stand = Stand(**saved["outputs"][name])
        number = int(stand.trail)  # type: ignore[call-overload]  # `value` wrote it so
        tail.channels[0].surplus = number - tail.channels[0].sent
        epoch = self.compiled.run.first_epoch + (stand.passes if self.compiled.run.align else 0)
        trail: list[Any] = [number]
        for segment, channel in zip(tail.segments, tail.channels[1:], strict=True):
            value = read(saved, segment)
            if value is None:
                continue
            trail.append({key: value[key] for key in ("taken", "made", "counts") if key in value})
            epochs = [epoch] * (len(segment.members) + 1)
            segment.saved = {**value, "epoch": epoch, "epochs": epochs, "now": None}
            recount(segment.members, value["counts"])
            channel.passed.samples = segment.gave("out")
        self.boundaries(name).go_on(stand._replace(trail=tuple(trail)))

    def put_back(self) -> None:
        """Make operators those that were saved; in a thread, before the first task begins."""
        for segment in self.segments:
            if segment.saved is not None:
                if segment.align and isinstance(segment.members[0].operator, Turn):
                    segment.fresh = deepcopy(segment.members[0].operator)
                put_back(segment.members, segment.saved["states"])


def made_again(snapshots: Snapshots, given: Mapping[str, int]) -> int:
    """Blocks that some stage makes again, at most, which the reader has had, or stages behind it.

    Args:
        snapshots: of the run.
        given: of each output the messages that its reader has had.
    """
    found = 0
    for place, part in zip(snapshots.places, snapshots.find(given), strict=True):
        behind = [given[name] - part.sent.get(port, 0) for port, name in place.outputs.items()]
        if part.label != ENDED:
            found = max(found, *behind, *(part.value or {}).get("surplus", ()), 0)
    return found


def write(written: Mapping[str, Any], segment: Segment, value: Mapping[str, Any]) -> None:
    """Add what a segment saved: by operator, for which maps share a task depends on their workers."""
    states = value.get("states", [NOTHING] * len(segment.members))
    for member, counts, state in zip(segment.members, value["counts"], states, strict=True):
        own = {"counts": list(counts)}
        written["members"][member.name] = own if state is NOTHING else {**own, "state": state}
        if segment.is_map or member is segment.members[0]:
            task = {key: each for key, each in value.items() if key not in OWN}
            written["tasks"][member.name] = task


def read(saved: Mapping[str, Any], segment: Segment) -> dict[str, Any] | None:
    """What `write` added; None: the segment begins. Raises GraphError where a part of it is not there."""
    names = [member.name for member in segment.members]
    task = saved["tasks"].get(names[0])
    if task is None:
        return None
    if missing := [name for name in names if name not in saved["members"]]:
        raise GraphError(f"the state does not fit the graph: it has nothing of {missing[0]!r}")
    members = [saved["members"][name] for name in names]
    return {
        **task,
        "counts": [member["counts"] for member in members],
        "states": [member.get("state", NOTHING) for member in members],
    }
