"""What the rounds of a measurement say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from tools.bench.measuring.settings import Contender, Reading
from tools.bench.measuring.spread import Spread

from . import yardstick
from .corpus import Corpus

__all__ = ["Row", "rows_of"]

Readings = Mapping[str, Sequence[Reading]]


class Row(NamedTuple):
    """One contender's figures; ratios are taken round by round, of measurements that stood side by side."""

    name: str
    group: str
    rate: float
    layout: str
    frames: Spread  #: delivered a second
    inflated: Spread  #: decompressed bytes a second: frames / rate times the bytes of a record
    yardstick: Spread | None  #: decompressed bytes, to those of zlib in one thread
    roofline: Spread | None  #: frames, to those of bare threads
    efficiency: (
        Spread | None
    )  #: frames a CPU second, to those of bare threads: what others do disturbs it less
    cores: float | None  #: CPUs kept busy by this process, median
    loop: float | None  #: CPUs kept busy by the event loop's thread, median
    made: int | None  #: buffers allocated in a window, the most
    buffer_bytes: int | None  #: the most
    rounds: tuple[float, ...]  #: frames a second, round by round
    thrift: tuple[float, ...]  #: frames a CPU second, round by round, where CPU seconds are known

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        return {key: as_plain(value) for key, value in self._asdict().items()}


def as_plain(value: object) -> object:
    """A spread by its words."""
    return value._asdict() if isinstance(value, Spread) else value


def rows_of(contenders: Sequence[Contender], readings: Readings, corpus: Corpus) -> list[Row]:
    """Figures of everybody."""
    return [row_of(contender, readings, corpus) for contender in contenders]


def row_of(contender: Contender, readings: Readings, corpus: Corpus) -> Row:
    """Figures of one contender."""
    own = readings[contender.name]
    frames = [reading.frames for reading in own]
    inflated = [each / contender.work.rate * corpus.record for each in frames]
    zlib = [reading.frames * corpus.record for reading in readings.get(yardstick.NAME, ())]
    roof = readings.get(contender.against or "", ())
    return Row(
        name=contender.name,
        group=contender.group,
        rate=contender.work.rate,
        layout=contender.work.layout,
        frames=Spread.of(frames),
        inflated=Spread.of(inflated),
        yardstick=ratio(inflated, zlib),
        roofline=ratio(frames, [reading.frames for reading in roof]),
        efficiency=ratio(thrift(own), thrift(roof)),
        cores=middle([reading.cores for reading in own]),
        loop=middle([reading.loop for reading in own]),
        made=max((reading.made for reading in own if reading.made is not None), default=None),
        buffer_bytes=max((r.buffer_bytes for r in own if r.buffer_bytes is not None), default=None),
        rounds=tuple(frames),
        thrift=tuple(thrift(own)),
    )


def ratio(values: Sequence[float], others: Sequence[float]) -> Spread | None:
    """Round by round; None: the other was not measured."""
    if not others:
        return None
    return Spread.of([value / other for value, other in zip(values, others, strict=True)])


def thrift(readings: Sequence[Reading]) -> list[float]:
    """Frames a CPU second, where CPU seconds are known."""
    return [reading.frames / reading.cores for reading in readings if reading.cores]


def middle(values: Sequence[float | None]) -> float | None:
    """The median of what is known."""
    known = [value for value in values if value is not None]
    return median(known) if known else None
