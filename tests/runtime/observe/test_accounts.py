"""The ledger between stages: what is lost, doubled or out of order anywhere is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

import flowload as fl
from flowload.errors import LedgerError
from flowload.graph import Graph
from flowload.runtime.channel import Channel, NumberedBlock
from flowload.runtime.tasks import wiring_task as wiring
from flowload.runtime.tasks.chains.fold_chain import FoldChain
from flowload.runtime.tasks.chains.map_chain import MapChain
from flowload.runtime.tasks.fold_task import FoldTask
from flowload.runtime.tasks.map_task import MapTask
from flowload.runtime.tasks.segment import Segment
from flowload.runtime.tasks.source_task import SourceTask
from flowload.stages.wiring.tee import ToAll
from tests.runtime.reading import Face
from tests.runtime.stages import (
    Ints,
    fan_out,
    flat,
    in_turn,
    numbers,
    plus,
    rebatch,
    step,
)

Plant = Callable[[pytest.MonkeyPatch], None]


PLANTED: list[Any] = []


def planted(*words: str) -> Callable[[Plant], Plant]:
    """A fault, and the words that must tell of it."""

    def add(plant: Plant) -> Plant:
        PLANTED.append(pytest.param(plant, words, id=plant.__name__))
        return plant

    return add


def drawing() -> Graph:
    """Every way on which a block goes: hops that are shared, queues, parts, turns."""
    begin = numbers(60, 2) >> plus(0).named("one") >> plus(0).named("two") >> rebatch(4).named("cut")
    split = begin >> rebatch(3).named("recut") >> fan_out("even", "odd").named("split")
    branches = [split["even"] >> plus(0).named("left"), split["odd"] >> plus(0).named("right")]
    return branches >> in_turn().named("join") >> step(Halves).named("last")


class Halves:
    """A fold that cuts every block in two."""

    held = 0

    def push(self, block: Ints, call: Any) -> Iterator[Ints]:
        half = len(block) // 2
        for part in (block.select(slice(half)), block.select(slice(half, None))):
            if len(part):
                yield part

    def flush(self, call: Any) -> Iterable[Ints]:
        return ()

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Any) -> None:
        pass


def holds(word: Any, value: int) -> bool:
    """A word is the block with this number in it."""
    return isinstance(word, NumberedBlock) and isinstance(word.block, Ints) and value in word.block.values


def without(words: Iterable[Any], value: int = 30) -> list[Any]:
    return [word for word in words if not holds(word, value)]


def doubled(words: Iterable[Any], value: int = 30) -> list[Any]:
    return [each for word in words for each in ([word, word] if holds(word, value) else [word])]


@planted("between origin and one: 60 given, 60 queued, 58 taken, 0 waiting")
def a_queue_forgets(patch: pytest.MonkeyPatch) -> None:
    took = Channel.take_now

    def take_now(self: Channel) -> Any:
        word = took(self)
        return took(self) if self.target == "one" and holds(word, 30) else word

    patch.setattr(Channel, "take_now", take_now)


@planted("between origin and one: 60 given, 60 queued, 62 taken, 0 waiting")
def a_queue_doubles(patch: pytest.MonkeyPatch) -> None:
    took, again = Channel.take_now, iter([True])

    def take_now(self: Channel) -> Any:
        word = took(self)
        if self.target == "one" and holds(word, 30) and next(again, False):
            self._messages.appendleft(word)  # type: ignore[arg-type]  # it is one
        return word

    patch.setattr(Channel, "take_now", take_now)


@planted("between origin and one: 60 given, 58 queued, 58 taken, 0 waiting")
def a_source_forgets(patch: pytest.MonkeyPatch) -> None:
    pull = SourceTask._pull

    def forgets(self: SourceTask, *args: Any) -> Any:
        words, ended = pull(self, *args)
        return without(words), ended

    patch.setattr(SourceTask, "_pull", forgets)


@planted("between two and cut: 60 given, 58 queued, 58 taken, 0 waiting")
def a_map_task_forgets(patch: pytest.MonkeyPatch) -> None:
    unpack = MapTask._unpack

    def forgets(self: MapTask, job: Any) -> None:
        unpack(self, job)
        self._entries = type(self._entries)(without(self._entries))

    patch.setattr(MapTask, "_unpack", forgets)


@planted("between two and cut: 60 given, 62 queued, 62 taken, 0 waiting")
def a_map_task_doubles(patch: pytest.MonkeyPatch) -> None:
    unpack, once = MapTask._unpack, iter([True])

    def doubles(self: MapTask, job: Any) -> None:
        unpack(self, job)
        if any(holds(word, 30) for word in self._entries) and next(once, False):
            self._entries = type(self._entries)(doubled(self._entries))

    patch.setattr(MapTask, "_unpack", doubles)


@planted("between one and two: 60 given, 60 queued, 58 taken, 0 waiting")
def a_chain_of_maps_forgets(patch: pytest.MonkeyPatch) -> None:
    apply = MapChain.apply

    def forgets(self: MapChain, item: NumberedBlock, *more: Any) -> Any:
        if len(self._steps) == 2 and holds(item, 30):
            member = self._steps[0][0]
            call = member.call(item.number, item.block, item.samples)
            return NumberedBlock(item.number, None), [(member, call, (item.samples, item.nbytes))]
        return apply(self, item, *more)

    patch.setattr(MapChain, "apply", forgets)


@planted("between two and cut: 60 given, 60 queued, 58 taken, 0 waiting")
def a_fold_task_forgets_what_goes_in(patch: pytest.MonkeyPatch) -> None:
    feed = FoldChain.feed
    patch.setattr(FoldChain, "feed", lambda self, words: feed(self, without(words)))


@planted("between cut and recut: 60 given, 60 queued, 56 taken, 0 waiting")
def a_chain_of_folds_forgets(patch: pytest.MonkeyPatch) -> None:
    push = FoldChain._push

    def forgets(self: FoldChain, k: int, item: NumberedBlock) -> Any:
        return iter(()) if k == 1 and len(self._members) == 2 and holds(item, 30) else push(self, k, item)

    patch.setattr(FoldChain, "_push", forgets)


@planted("between recut and split: 60 given, 57 queued, 57 taken, 0 waiting")
def a_fold_task_forgets_what_comes_out(patch: pytest.MonkeyPatch) -> None:
    took = FoldTask._took

    def forgets(self: FoldTask, job: Any) -> None:
        took(self, job)
        self._made = type(self._made)(
            word for word in self._made if len(self.segment.members) == 1 or not holds(word, 30)
        )

    patch.setattr(FoldTask, "_took", forgets)


@planted("between split.even and left: 30 given, 28 queued, 28 taken, 0 waiting")
def a_route_forgets(patch: pytest.MonkeyPatch) -> None:
    each = wiring.RouteTask._each

    async def forgets(self: wiring.RouteTask, words: Any) -> None:
        await each(self, {port: word for port, word in words.items() if not holds(word, 30)})

    patch.setattr(wiring.RouteTask, "_each", forgets)


@planted("split: in 60 is not out 58 + dropped 0 + held 0 (+2 unaccounted for)")
def a_route_loses_a_part(patch: pytest.MonkeyPatch) -> None:
    route = wiring._route

    def forgets(member: Any, ports: Any, item: NumberedBlock, *more: Any) -> Any:
        parts = route(member, ports, item, *more)
        if holds(item, 30):
            member.meter.out -= parts["even"].samples
        return {port: part for port, part in parts.items() if not holds(part, 30)}

    patch.setattr(wiring, "_route", forgets)


@planted("between join and last: 60 given, 58 queued, 58 taken, 0 waiting")
def a_turn_forgets(patch: pytest.MonkeyPatch) -> None:
    put = Segment.put

    async def forgets(self: Any, word: Any, port: str = "out") -> None:
        if self.name != "join" or not holds(word, 30):
            await put(self, word, port)

    patch.setattr(Segment, "put", forgets)


@planted("between left + right and join: 60 given, 60 queued, 58 taken, 0 waiting")
def a_turn_loses_what_it_takes(patch: pytest.MonkeyPatch) -> None:
    wait = wiring.TurnTask._wait_for

    async def forgets(self: wiring.TurnTask, which: int) -> Any:
        word = await wait(self, which)
        return await wait(self, which) if holds(word, 30) else word

    patch.setattr(wiring.TurnTask, "_wait_for", forgets)


@planted("between last and output 'out': 60 given", "the reader of 'out'")
def what_comes_out_is_lost(patch: pytest.MonkeyPatch) -> None:
    took = Channel.take_now

    def take_now(self: Channel) -> Any:
        word = took(self)
        return took(self) if self.target == "output 'out'" and holds(word, 30) else word

    patch.setattr(Channel, "take_now", take_now)


@planted("between two and cut: blocks out of order")
def a_queue_swaps(patch: pytest.MonkeyPatch) -> None:
    put, kept = Channel.try_put, list[Any]()

    def swaps(self: Channel, word: Any) -> bool:
        if self.target != "cut" or not isinstance(word, NumberedBlock):
            return put(self, word)
        if holds(word, 30):
            kept.append(word)
            return True
        while len(self) + 2 > self.capacity:
            self.grow()
        return all(put(self, each) for each in [word, *[kept.pop() for _ in kept]])

    patch.setattr(Channel, "try_put", swaps)


def test_the_drawing_is_right(face: Face) -> None:
    assert sorted(flat(face.read(drawing()))) == list(range(60))


@pytest.mark.parametrize(("plant", "words"), PLANTED)
def test_what_goes_astray_is_told(
    face: Face, plant: Plant, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(LedgerError) as caught:
        face.read(drawing(), epochs=1)
    assert any(each in str(caught.value) for each in words)


def test_a_sample_that_one_of_several_outputs_loses_is_told() -> None:
    """And a tee that leaves an output out."""
    route = ToAll.route

    def leaves_out(self: ToAll, block: Any, call: Any) -> Any:
        parts = dict(route(self, block, call))
        if call.number == 3:
            del parts["b"]
        return parts

    graph = numbers(20, 2) >> fl.tee("a", "b")
    with pytest.MonkeyPatch.context() as patch, graph.iterate() as run:
        patch.setattr(ToAll, "route", leaves_out)
        with pytest.raises(LedgerError, match=r"tee: in 40 is not out 38 .* \(\+2 unaccounted for\)"):
            for _ in zip(run["a"], run["b"], strict=False):
                pass
