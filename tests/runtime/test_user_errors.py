"""Whatever user code raises, wherever: the reader gets it, with stage and line, and never an early end."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import anyio
import numpy as np
import pytest

import flowload as fl
from flowload.abc.operators import Block, Call, Mark
from flowload.blocks import Batch, Rows
from flowload.errors import ClosedRun, GraphError, UserCodeError
from flowload.graph import Graph
from flowload.runtime.channel import EndOfStream, ReaderGone
from tests.runtime.reading import Face, Taker
from tests.runtime.stages import (
    Cycle,
    Does,
    DoesAsync,
    Folds,
    Ints,
    Junction,
    Modulo,
    Yields,
    fan_out,
    flat,
    ints,
    numbers,
    origin,
    plus,
    step,
)


class OddError(BaseException):
    """What nobody expects."""


class MuteError(Exception):
    """Has no text that could be had."""

    def __str__(self) -> str:
        raise OSError("mute")


KINDS: list[type[BaseException]] = [
    StopIteration,
    StopAsyncIteration,
    GeneratorExit,
    asyncio.CancelledError,
    concurrent.futures.CancelledError,
    KeyboardInterrupt,
    SystemExit,
    OddError,
    ValueError,
    ClosedRun,
    EndOfStream,
    ReaderGone,
    MuteError,
]
BARE = concurrent.futures.CancelledError, ValueError, ClosedRun, MuteError


@dataclass
class Trap:
    """Raises once `calls` were let through."""

    kind: type[BaseException]
    calls: int = 0

    def __post_init__(self) -> None:
        self.lock = threading.Lock()

    def __call__(self, block: Any = None, *_: object) -> Any:
        with self.lock:
            self.calls -= 1
            if self.calls < 0:
                raise self.kind("mine")
        return block


Make = Callable[[Trap], Graph]
PLACES: dict[str, Make] = {}


def place_of(make: Make) -> Make:
    """Add a place where user code may raise; its stage is named "mine"."""
    PLACES[make.__name__] = make
    return make


@place_of
def one_worker(trap: Trap) -> Graph:
    return numbers(40) >> step(lambda: Does(trap), workers=1, name="mine") >> plus(0)


@place_of
def four_workers(trap: Trap) -> Graph:
    return numbers(40) >> step(lambda: Does(trap), workers=4, name="mine") >> plus(0)


@place_of
def behind_another_map(trap: Trap) -> Graph:
    return numbers(40) >> plus(0) >> step(lambda: Does(trap), name="mine") >> step(Folds)


@place_of
def coroutine(trap: Trap) -> Graph:
    async def waits(block: Ints, call: Call) -> Ints:
        await anyio.lowlevel.checkpoint()
        return trap(block)  # type: ignore[no-any-return]

    return numbers(40) >> step(lambda: DoesAsync(waits), workers=2, name="mine")


@place_of
def coroutine_that_does_not_wait(trap: Trap) -> Graph:
    async def waits(block: Ints, call: Call) -> Ints:
        return trap(block)  # type: ignore[no-any-return]

    return numbers(40) >> step(lambda: DoesAsync(waits), workers=2, name="mine")


@place_of
def fl_map(trap: Trap) -> Graph:
    return batches() >> fl.map(trap).named("mine")


@place_of
def fl_map_async(trap: Trap) -> Graph:
    async def fn(batch: Any) -> Any:
        return trap(batch)

    return batches() >> fl.map(fn).named("mine")


@place_of
def fl_filter(trap: Trap) -> Graph:
    return batches() >> fl.filter(lambda batch: trap(batch) is batch).named("mine")


@place_of
def fl_filter_async(trap: Trap) -> Graph:
    async def fn(batch: Any) -> bool:
        return trap(batch) is batch

    return batches() >> fl.filter(fn).named("mine")


@place_of
def generator(trap: Trap) -> Graph:
    def make() -> Iterator[Any]:
        for k in range(40):
            yield trap({"x": np.array([k])})

    return fl.source(make).named("mine")


@place_of
def iterator(trap: Trap) -> Graph:
    if trap.kind is StopIteration:
        pytest.skip("the end of an iterator, as Python has it")

    class Walks:
        def __iter__(self) -> Iterator[Any]:
            return self

        def __next__(self) -> Any:
            return trap({"x": np.array([1])})

    return fl.source(Walks).named("mine")


@place_of
def factory(trap: Trap) -> Graph:
    trap.calls = 0
    return fl.source(lambda: trap([1, 2])).named("mine")


@place_of
def async_generator(trap: Trap) -> Graph:
    async def make() -> AsyncIterator[Any]:
        for k in range(40):
            yield trap({"x": np.array([k])})

    return fl.source(make).named("mine")


class WalksAsync:
    """An asynchronous iterator."""

    def __init__(self, trap: Trap) -> None:
        self.trap = trap

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        return self.trap({"x": np.array([1])})


@place_of
def async_iterator(trap: Trap) -> Graph:
    if trap.kind is StopAsyncIteration:
        pytest.skip("the end of an asynchronous iterator, as Python has it")

    class Again:
        def __aiter__(self) -> AsyncIterator[Any]:
            return WalksAsync(trap)

    return fl.source(Again()).named("mine")


@place_of
def own_source(trap: Trap) -> Graph:
    return origin(Yields(lambda _: (trap(ints([k])) for k in range(40)))).named("mine") >> plus(0)


@place_of
def begin_of_a_pass(trap: Trap) -> Graph:
    class Begins(Yields):
        def epoch(self, number: int, call: Call) -> Iterator[Any]:
            return iter([trap(ints([1]))])

    trap.calls = 0
    return origin(Begins(lambda _: ())).named("mine")


@place_of
def push(trap: Trap) -> Graph:
    return numbers(40) >> step(lambda: Folds(lambda block, _: [trap(block)]), name="mine") >> plus(0)


@place_of
def lazy_push(trap: Trap) -> Graph:
    def lazy(block: Ints, call: Call) -> Iterator[Block]:
        yield trap(block)

    return numbers(40) >> step(lambda: Folds(lazy), name="mine") >> plus(0)


@place_of
def flush(trap: Trap) -> Graph:
    trap.calls = 0
    return numbers(40) >> step(lambda: Folds(flush=lambda _: trap(())), name="mine") >> plus(0)


@place_of
def mark(trap: Trap) -> Graph:
    class Marks(Folds):
        def mark(self, mark: Mark, call: Call) -> Iterable[Block]:
            return trap(())  # type: ignore[no-any-return]

    trap.calls = 0
    return numbers(40) >> step(Marks, name="mine") >> plus(0)


@place_of
def idle(trap: Trap) -> Graph:
    class Idles(Folds):
        def idle(self, call: Call) -> Block | None:
            return trap(None)  # type: ignore[no-any-return]

    trap.calls = 0
    return numbers(40) >> step(Idles, name="mine") >> plus(0)


@place_of
def held(trap: Trap) -> Graph:
    class Holds(Folds):
        @property
        def held(self) -> int:
            return trap(0)  # type: ignore[no-any-return]

    return numbers(40) >> step(Holds, name="mine") >> plus(0)


@place_of
def length(trap: Trap) -> Graph:
    class Long(Ints):
        def __len__(self) -> int:
            return trap(1)  # type: ignore[no-any-return]

    return numbers(40) >> step(lambda: Does(lambda block, _: Long(block.values)), name="mine") >> plus(0)


@place_of
def route(trap: Trap) -> Graph:
    class Routes(Modulo):
        def route(self, block: Ints, call: Call) -> Any:
            return super().route(trap(block), call)

    split = numbers(40) >> step(lambda: Routes(("a", "b")), ports=("a", "b"), name="mine")
    return split.drop("b")


@place_of
def choose(trap: Trap) -> Graph:
    class Chooses(Cycle):
        def choose(self, alive: Any) -> int:
            return super().choose(trap(alive))

    return [numbers(20), numbers(20)] >> fl.place(Junction(make=lambda: [Chooses()]), name="mine")


@place_of
def took(trap: Trap) -> Graph:
    class Takes(Cycle):
        def took(self, which: int, samples: int) -> None:
            super().took(trap(which), samples)

    return [numbers(20), numbers(20)] >> fl.place(Junction(make=lambda: [Takes()]), name="mine")


@place_of
def close(trap: Trap) -> Graph:
    class Closes(Does):
        def close(self) -> None:
            trap()

    trap.calls = 0
    return numbers(40) >> step(lambda: Closes(lambda block, _: block), name="mine") >> plus(0)


@place_of
def opening(trap: Trap) -> Graph:
    trap.calls = 0
    return numbers(40) >> step(lambda: trap(Folds()), name="mine") >> plus(0)


def batches() -> Graph:
    return fl.source([{"x": np.array([k])} for k in range(40)])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.__module__[:4]}.{kind.__name__}")
@pytest.mark.parametrize("place", PLACES)
def test_what_user_code_raises_reaches_the_reader_with_stage_and_line(
    face: Face, place: str, kind: type[BaseException]
) -> None:
    graph = PLACES[place](Trap(kind, calls=12))
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - of any kind: it is looked at below
        face.read(graph, epochs=2)
    error, where = caught.value, graph.plan["mine"].node.where
    assert error.__notes__ == [f"in stage 'mine', declared at {where}"]
    assert (error if type(error) is kind else error.__cause__).args == ("mine",)  # type: ignore[union-attr]
    if type(error) is kind:
        # What a signal's handler may have raised goes on as itself, but only in the main thread.
        assert kind in BARE or (kind in (KeyboardInterrupt, SystemExit) and face.backend is not None)
    else:
        assert kind not in BARE
        assert isinstance(error, RuntimeError)
        assert type(error.__cause__) is kind


def test_the_wrapper_says_what_it_stands_for(face: Face) -> None:
    with pytest.raises(UserCodeError) as caught:
        face.read(one_worker(Trap(StopAsyncIteration, calls=12)))
    assert str(caught.value) == (
        "a call ended with StopAsyncIteration('mine'); "
        "raised bare, that would pass for an end, a cancellation or an exit"
    )


@pytest.mark.parametrize("kind", [StopAsyncIteration, StopIteration, GeneratorExit, asyncio.CancelledError])
def test_every_output_of_a_run_gets_the_error(kind: type[BaseException]) -> None:
    graph = numbers(40) >> step(lambda: Does(Trap(kind, calls=8)), name="mine") >> fan_out("a", "b")
    with graph.iterate() as run:
        for name in ("a", "b"):
            with pytest.raises(UserCodeError, match=kind.__name__):
                for _ in run[name]:
                    pass
        assert not run.stats().finished


def test_a_skipped_error_is_counted_whatever_it_means_to_python(face: Face) -> None:
    taker = Taker()
    graph = batches() >> fl.map(Trap(StopAsyncIteration, calls=12), on_error="skip", workers=1).named("mine")
    face.use(graph, taker)
    assert len(taker.got) == 12
    assert taker.run.stats().stages["mine"].dropped == {"StopAsyncIteration": 28}


def test_a_skipped_error_without_a_text_is_counted_by_its_kind(face: Face) -> None:
    taker = Taker()
    graph = batches() >> fl.map(Trap(MuteError, calls=12), on_error="skip", workers=1).named("mine")
    face.use(graph, taker)
    assert taker.run.stats().stages["mine"].dropped == {"MuteError": 28}


class Late(Ints):
    """What cannot be handed over."""

    error: type[BaseException] = ValueError

    def deliver(self) -> Any:
        if self.values[0] == 3:
            raise self.error("mine")
        return self


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration, GeneratorExit, asyncio.CancelledError])
def test_a_hand_over_that_fails_is_no_end(face: Face, kind: type[BaseException]) -> None:
    class Now(Late):
        error = kind

    with pytest.raises(UserCodeError, match=kind.__name__):
        face.read(numbers(9) >> step(lambda: Does(lambda block, _: Now(block.values))))


def test_gauges_that_fail_name_their_stage(face: Face) -> None:
    class Measures(Folds):
        def gauges(self) -> dict[str, float]:
            raise StopIteration

    graph = numbers(9) >> step(Measures, name="mine")

    def see(batch: Any, run: Any) -> bool:
        with pytest.raises(UserCodeError) as caught:
            run.stats()
        assert caught.value.__notes__ == [f"in stage 'mine', declared at {graph.plan['mine'].node.where}"]
        return False

    face.use(graph, see)


# ---- what operators give


def test_a_list_as_a_pass_is_given_once(face: Face) -> None:
    """More of them than one hop of a source takes."""

    class Lists(Yields):
        def epoch(self, number: int, call: Call) -> Any:
            return [ints([k]) for k in range(20)]

    assert flat(face.read(origin(Lists(lambda _: ())), epochs=2)) == [*range(20)] * 2


def test_an_asynchronous_iterable_is_a_pass(face: Face) -> None:
    class Walks:
        async def __aiter__(self) -> AsyncIterator[Any]:
            for k in range(20):
                yield ints([k])

    class Gives(Yields):
        def epoch(self, number: int, call: Call) -> Any:
            return Walks()

    assert flat(face.read(origin(Gives(lambda _: ())))) == [*range(20)]


NUMBERS = {"x": np.arange(3)}


@pytest.mark.parametrize(
    ("made", "gives", "tail", "words"),
    [
        (NUMBERS, object, fl.shard(0, 1), "mine: Batch came; wanted Chunks or Rows"),
        (NUMBERS, object, fl.shuffle(), "mine: Batch came; wanted Rows"),
        (NUMBERS, object, fl.unpack(), "mine: Batch came; wanted Chunks"),
        (7, object, fl.shuffle(), "mine: int came, which is one value; wanted Rows"),
        (7, object, fl.batch(2), r"mine: int came, which is one value; .*fl.source\(fn, samples=True\)"),
        (7, Batch, fl.batch(2), "mine: int came, which is one value; wanted Frames or Batch or Rows"),
        (NUMBERS, Rows, fl.shuffle(), "mine: Batch came; wanted Rows"),
    ],
)
@pytest.mark.parametrize("stage", ["source", "map"])
def test_what_a_stage_does_not_take_is_named_where_the_wiring_cannot_know(
    face: Face, stage: str, made: Any, gives: type, tail: Graph, words: str
) -> None:
    """Also where the user has told the wiring something that is not so."""
    if stage == "source":
        graph = fl.source([made] * 3, gives=gives) >> tail.named("mine")
    else:
        graph = (
            fl.source([{"y": np.arange(3)}] * 3) >> fl.map(lambda _: made, gives=gives) >> tail.named("mine")
        )
    with pytest.raises(GraphError, match=words) as caught:
        face.read(graph)
    assert caught.value.__notes__ == [f"in stage 'mine', declared at {graph.plan['mine'].node.where}"]


async def nothing(*_: object) -> None:
    pass


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (lambda: origin(Yields(lambda _: [[1, 2]])), "gave a list, which is no block"),
        (lambda: numbers(3) >> step(lambda: Does(lambda block, _: 7)), "gave a int, which is no block"),
        (lambda: numbers(3) >> step(lambda: Folds(lambda *_: [7])), "gave a int, which is no block"),
        (lambda: numbers(3) >> step(lambda: Folds(lambda *_: [None])), "gave None among its blocks"),
        (lambda: numbers(3) >> step(lambda: Folds(lambda *_: None)), "'NoneType' object is not iterable"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_block_is_named(face: Face, graph: Callable[[], Graph], words: str) -> None:
    with pytest.raises(TypeError, match=words) as caught:
        face.read(graph())
    assert "in stage" in caught.value.__notes__[0]


@pytest.mark.parametrize("made", [None, 7, nothing])
def test_a_pass_that_cannot_be_gone_through_is_named(face: Face, made: Any) -> None:
    class Gives(Yields):
        def epoch(self, number: int, call: Call) -> Any:
            return made() if made is nothing else made

    with pytest.raises(TypeError, match=r"epoch\(\) gave a .*; wanted an iterator of blocks") as caught:
        face.read(origin(Gives(lambda _: ())))
    assert "in stage 'origin'" in caught.value.__notes__[0]


def test_a_part_for_an_output_that_does_not_exist_is_named(face: Face) -> None:
    class Routes(Modulo):
        def route(self, block: Ints, call: Call) -> Any:
            return {"evne": block}

    split = numbers(9) >> step(lambda: Routes(()), ports=("even", "odd"))
    with pytest.raises(fl.FlowloadError, match=r"for the output 'evne'; this stage has 'even', 'odd'"):
        face.read(split.drop("odd"))


def test_parts_that_have_no_names_are_named(face: Face) -> None:
    class Routes(Modulo):
        def route(self, block: Ints, call: Call) -> Any:
            return [block]

    split = numbers(9) >> step(lambda: Routes(()), ports=("even", "odd"))
    with pytest.raises(TypeError, match=r"route\(\) gave a list; wanted a dict of parts by output name"):
        face.read(split.drop("odd"))


def test_an_input_that_does_not_exist_is_named(face: Face) -> None:
    class Chooses(Cycle):
        def choose(self, alive: Any) -> int:
            return 7

    joined = [numbers(3), numbers(3)] >> fl.place(Junction(make=lambda: [Chooses()]))
    with pytest.raises(fl.FlowloadError, match=r"choose\(\) gave 7; wanted one of the inputs \[0, 1\]"):
        face.read(joined)


def test_a_fold_that_is_left_in_the_midst_of_a_call_ends_its_generator_then(face: Face) -> None:
    def fails(block: Ints, call: Call) -> Iterator[Ints]:
        try:
            while True:
                yield block
        finally:
            raise OSError("at the end")

    logged: list[str] = []
    graph = numbers(1) >> step(lambda: Folds(fails), name="mine")
    with pytest.MonkeyPatch.context() as patch:
        told = "flowload.runtime.run.log.error"
        patch.setattr(told, lambda text, **how: logged.append(str(how["exc_info"])))
        face.read(graph, 2)
    assert logged == ["at the end"]


def frames_of(error: BaseException) -> list[str]:
    """Modules of the frames of a traceback, the innermost last."""
    return [frame.f_globals["__name__"] for frame, _ in traceback.walk_tb(error.__traceback__)]


@pytest.mark.parametrize("place", ["fl_map", "fl_map_async", "generator", "async_generator", "lazy_push"])
def test_a_traceback_leads_from_the_reader_to_the_users_own_code(face: Face, place: str) -> None:
    with pytest.raises(ValueError, match="mine") as caught:
        face.read(PLACES[place](Trap(ValueError, calls=12)))
    names = frames_of(caught.value)
    assert names[-1] == __name__
    assert [name for name in names if name.startswith("flowload.runtime")] == (
        ["flowload.runtime.faces.blocking"] * 2
        if face.backend is None
        else ["flowload.runtime.faces.asynchronous"] * 3 + ["flowload.runtime.run"] * 2
    )


def test_the_original_of_a_wrapper_has_a_short_traceback_too(face: Face) -> None:
    with pytest.raises(UserCodeError) as caught:
        face.read(one_worker(Trap(StopIteration, calls=12)))
    assert caught.value.__cause__ is not None
    names = frames_of(caught.value.__cause__)
    assert names[-1] == __name__
    assert not any(name.startswith("flowload.runtime") for name in names)


def test_what_the_run_itself_raises_keeps_its_frames(face: Face) -> None:
    with pytest.raises(fl.FlowloadError, match="a whole pass gave nothing") as caught:
        face.read(origin(Yields(lambda _: ())), epochs=None)
    names = frames_of(caught.value)
    assert names[-1] == "flowload.runtime.tasks.source_task"
    assert "flowload.runtime.run" in names


def test_an_error_that_is_its_own_cause_is_no_trap(face: Face) -> None:
    def turns(block: Ints, call: Call) -> Ints:
        error = ValueError("mine")
        raise error from error

    with pytest.raises(ValueError, match="mine"):
        face.read(numbers(3) >> step(lambda: Does(turns)))
