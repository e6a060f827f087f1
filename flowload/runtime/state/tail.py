"""What lies between an output and the last segment that remembers anything.

Maps, and folds without memory, need no state: what comes out of them is known by the message that went in. So
a block on its way to an output carries a trail: the number of that message, and where each of these segments
stood. A run that goes on has its head make that message again, and nothing before it: no batch is encoded,
or copied to a device, that the reader has had.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowload.abc.operators import Map

if TYPE_CHECKING:  # it is built of segments, which save by modules of this room
    from flowload.runtime.channel import Channel
    from flowload.runtime.compile import CompiledGraph
    from flowload.runtime.tasks.segment import Segment

__all__ = ["Tail", "tails_of"]


@dataclass(frozen=True)
class Tail:
    """The segments behind a head, in the order of the flow, and the channels between it and the reader."""

    head: Segment
    port: str
    segments: tuple[Segment, ...]
    channels: tuple[Channel, ...]


def tails_of(compiled: CompiledGraph) -> Mapping[str, Tail]:
    """The tail of each output."""
    writers = {
        id(channel): (segment, port)
        for segment in compiled.segments
        for port, channel in segment.outputs.items()
    }
    tails = {}
    for name, channel in compiled.outputs.items():
        segments: list[Segment] = []
        channels = [channel]
        segment, port = writers[id(channel)]
        while remembers_nothing(segment):
            segments.insert(0, segment)
            channels.insert(0, segment.inputs[0])
            segment, port = writers[id(segment.inputs[0])]
        tails[name] = Tail(segment, port, tuple(segments), tuple(channels))
    return tails


def remembers_nothing(segment: Segment) -> bool:
    """Whether what comes out of a segment depends on the message that came in alone."""
    return all(
        isinstance(member.operator, Map) or getattr(member.operator, "memoryless", False)
        for member in segment.members
    )
