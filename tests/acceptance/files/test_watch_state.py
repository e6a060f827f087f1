"""A folder that grows, stopped anywhere: what was told comes again in order, then what came meanwhile."""

from __future__ import annotations

import json
import shutil
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import numpy as np
import pytest

import flowload as fl
from flowload.errors import ClosedRun, DataError, GraphError
from flowload.graph import Graph
from flowload.testing.resume_runs import as_often_as_can_be
from tests.threads import none_left

from .damage import GAMES


def put(part: Path, folder: Path, name: str) -> None:
    """A file arrives."""
    shutil.copy(part, folder / f"{name}.part")
    (folder / f"{name}.part").rename(folder / f"{name}.tar")


def pooled(folder: Path, pool: int = 4, size: int = 2) -> Graph:
    return (
        games_of(folder)
        >> fl.shuffle_pool(pool)
        >> fl.unpack()
        >> fl.reservoir(8)
        >> fl.batch(size, layout="bits")
    )


def bits(batch: Any) -> bytes:
    return np.asarray(batch["bits"]).tobytes()


@pytest.fixture(params=["often", "never"])
def cuts(request: pytest.FixtureRequest) -> Iterator[str]:
    """How often stages save their parts; a short run of a test none."""
    if request.param == "never":
        yield request.param
        return
    with as_often_as_can_be():
        yield request.param


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [1, None])
def test_it_goes_on_from_every_batch(folder: Path, parts: list[Path], epochs: int | None, cuts: str) -> None:
    put(parts[0], folder, "m")
    states, got = [], []
    with pooled(folder).iterate(seed=3, epochs=epochs) as batches:
        for number in range(18):
            if number in (5, 9):
                put(parts[number // 4], folder, "z" if number == 5 else "b")
                batches.wait(chunks=(2 if number == 5 else 3) * GAMES)
            got.append(bits(next(batches)))
            states.append(json.dumps(batches.state_dict()))
    members = json.loads(states[-1])["standing"]["members"]
    assert ("state" in members.get("reservoir", {})) == (cuts == "often")
    put(parts[3], folder, "a")  # meanwhile
    moved = folder.rename(folder.with_name("moved"))
    for cut in range(0, len(states) - 1, 3):
        with pooled(moved).iterate(seed=3, epochs=epochs, state=json.loads(states[cut])) as batches:
            again = [bits(next(batches)) for _ in range(2)]
            assert again == got[cut + 1 :][:2], cut
            state = json.dumps(batches.state_dict())
            expected = bits(next(batches))
        with pooled(moved).iterate(seed=3, epochs=epochs, state=json.loads(state)) as batches:
            assert bits(next(batches)) == expected


@pytest.mark.parametrize("on_change", ["refuse", "accept"])
def test_nothing_is_made_again_though_sources_tell_nothing(
    folder: Path, parts: list[Path], on_change: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Files may go when the window has left them; what folds gave of their own accord is where they were."""
    for behind in (80, 400, 2000):  # how far behind the reader stages are saved is a matter of turns
        left = left_the_first(folder, parts, behind)
        caplog.clear()
        try:
            return goes_on_without_it(folder, parts, left, on_change)
        except DataError as error:
            if "vanished" not in str(error):
                raise
        except AssertionError:  # what has gone is let go of, and told
            if "a.tar is not what it was when the state was taken, and stages" not in caplog.text:
                raise
    pytest.fail("what the window has left long ago is read again")


class Left(NamedTuple):
    """A run that was left."""

    state: str
    expected: list[bytes]  #: what comes next
    calls: int  #: of `unpack`, to come there


def left_the_first(folder: Path, parts: list[Path], behind: int) -> Left:
    """Leave a run so many batches behind the last new chunk; its pool has room for one file."""
    for name in ("b", "c"):
        (folder / f"{name}.tar").unlink(missing_ok=True)
    put(parts[0], folder, "a")
    with as_often_as_can_be(), pooled(folder, GAMES, 32).iterate(seed=3, epochs=None) as batches:
        next(batches)
        put(parts[1], folder, "b")
        batches.wait(chunks=2 * GAMES)
        batches.anchor("a.tar")
        while batches.stats().stages["shuffle_pool"].in_ < 2 * GAMES:
            next(batches)
        for _ in range(behind):
            next(batches)
        calls = batches.stats().stages["unpack"].calls
        return Left(json.dumps(batches.state_dict()), [bits(next(batches)) for _ in range(20)], calls)


def goes_on_without_it(folder: Path, parts: list[Path], left: Left, on_change: str) -> None:
    """The first file has gone, and another comes."""
    graph = pooled(folder, GAMES, 32)
    (folder / "a.tar").unlink()
    how: dict[str, Any] = {"seed": 3, "epochs": None, "on_change": on_change}
    with as_often_as_can_be():
        with graph.iterate(state=json.loads(left.state), **how) as batches:
            assert batches.state_cost().begins_anew is None
            assert bits(next(batches)) == left.expected[0]
            assert batches.stats().stages["unpack"].calls < left.calls  # other counts go on from the state
            assert [bits(next(batches)) for _ in range(19)] == left.expected[1:]
            put(parts[2], folder, "c")
            assert batches.wait(chunks=2 * GAMES) == 2 * GAMES
            assert batches.new_chunks(since="") == 3 * GAMES, "also those of the file that has gone"
            again = json.dumps(batches.state_dict())
            more = bits(next(batches))
        with graph.iterate(seed=3, epochs=None, state=json.loads(again)) as batches:
            assert bits(next(batches)) == more
            assert batches.wait(chunks=1) == batches.new_chunks() == 2 * GAMES


@pytest.mark.parametrize("often", [False, True])
def test_a_run_that_is_left_before_it_has_begun_forgets_nothing(
    folder: Path, parts: list[Path], often: bool
) -> None:
    """Of files that came out of the order of their names, and of when the pool was idle."""
    put(parts[0], folder, "m")
    with as_often_as_can_be() if often else nullcontext():
        with pooled(folder).iterate(epochs=None) as batches:
            for _ in range(20):
                next(batches)
            put(parts[1], folder, "a")
            batches.wait(chunks=2 * GAMES)
            while batches.stats().stages["shuffle_pool"].in_ < 2 * GAMES:
                next(batches)
            batches.anchor("m.tar")
            state = json.loads(json.dumps(batches.state_dict()))
            expected = [bits(next(batches)) for _ in range(10)]
        for _ in range(2):
            with pooled(folder).iterate(epochs=None, state=state) as batches:
                state = json.loads(json.dumps(batches.state_dict()))
        with pooled(folder).iterate(epochs=None, state=state) as batches:
            assert [bits(next(batches)) for _ in range(10)] == expected
            assert batches.wait(chunks=1) == GAMES


def test_what_was_read_and_is_another_file_now_is_named(folder: Path, parts: list[Path]) -> None:
    put(parts[0], folder, "a")
    with as_often_as_can_be(), pooled(folder).iterate(epochs=None) as batches:
        for _ in range(20):
            next(batches)
        state = json.dumps(batches.state_dict())
    (folder / "a.tar").write_bytes((folder / "a.tar").read_bytes() + bytes(10240))
    with (
        pytest.raises(DataError, match=r"a\.tar: a file that was told before is not what it was"),
        pooled(folder).iterate(epochs=None, state=json.loads(state)) as batches,
    ):
        deque(batches, maxlen=0)


def games_of(folder: Path) -> Graph:
    return fl.discover(folder, watch=True, settle=0.0) >> fl.read("lc0")


def frames(folder: Path) -> Graph:
    return (
        fl.discover(folder, watch=True, settle=0.0)
        >> fl.read("lc0")
        >> fl.unpack()
        >> fl.batch(1, layout="bits")
    )


def length(*paths: Path) -> int:
    graph = fl.discover([str(path) for path in paths]) >> fl.read("lc0") >> fl.unpack() >> fl.batch(64)
    with graph.iterate() as batches:
        return sum(len(batch["values"]) for batch in batches)


def test_every_frame_comes_once_whatever_came_meanwhile(folder: Path, parts: list[Path]) -> None:
    put(parts[1], folder, "m")
    first, both = length(parts[1]), length(parts[1], parts[0])
    with frames(folder).iterate(epochs=1) as batches:
        begun = [bits(next(batches)) for _ in range(first // 2)]
        state = json.dumps(batches.state_dict())
    put(parts[0], folder, "a")  # before the first, by its name
    with frames(folder).iterate(epochs=1, state=json.loads(state)) as batches:
        rest = [bits(next(batches)) for _ in range(both - len(begun))]
    with frames(folder).iterate(epochs=1) as batches:
        whole = Counter(bits(next(batches)) for _ in range(both))
    assert Counter(begun + rest) == whole
    with (
        fl.discover(parts[1]) >> fl.read("lc0") >> fl.unpack() >> fl.batch(1, layout="bits")
    ).iterate() as batches:
        assert [bits(batch) for batch in batches] == (begun + rest)[:first]


def test_a_split_keeps_its_word(folder: Path, parts: list[Path]) -> None:
    def graph() -> Graph:
        games = (
            fl.discover(folder, watch=True, settle=0.0) >> fl.read("lc0") >> fl.split(train=0.5, valid=0.5)
        )
        train = games["train"] >> fl.unpack() >> fl.batch(1, layout="bits")
        return fl.outputs(train=train, valid=games["valid"] >> fl.unpack() >> fl.batch(1, layout="bits"))

    for number in range(3):
        put(parts[number], folder, str(number))
    with graph().iterate(epochs=1) as batches:
        whole = {name: [bits(next(batches[name])) for _ in range(12)] for name in ("train", "valid")}
    with graph().iterate(epochs=1) as batches:
        begun = {name: [bits(next(batches[name])) for _ in range(5)] for name in ("train", "valid")}
        state = json.dumps(batches.state_dict())
    put(parts[3], folder, "00")
    with graph().iterate(epochs=1, state=json.loads(state)) as batches:
        for name in ("train", "valid"):
            assert begun[name] + [bits(next(batches[name])) for _ in range(7)] == whole[name]


def test_a_told_file_that_has_gone_is_named_or_left_out(folder: Path, parts: list[Path]) -> None:
    put(parts[0], folder, "a")
    put(parts[1], folder, "b")
    with frames(folder).iterate(epochs=1) as batches:
        next(batches)
        state = json.dumps(batches.state_dict())
    (folder / "b.tar").unlink()
    with (
        pytest.raises(
            DataError, match=r"b\.tar: a file that was told before is not what it was; found no file"
        ),
        frames(folder).iterate(epochs=1, state=json.loads(state)) as batches,
    ):
        next(batches)
    with frames(folder).iterate(epochs=1, state=json.loads(state), on_change="accept") as batches:
        assert next(batches)


def test_what_stages_are_not_done_with_is_left_out_from_the_beginning(
    folder: Path, parts: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    put(parts[0], folder, "a")
    put(parts[1], folder, "b")
    with as_often_as_can_be(), frames(folder).iterate(epochs=1) as batches:
        for _ in range(4):
            next(batches)
        state = json.dumps(batches.state_dict())
    (folder / "b.tar").unlink()
    with frames(folder).iterate(epochs=1, state=json.loads(state), on_change="accept") as batches:
        rest = [bits(next(batches)) for _ in range(length(parts[0]) - 4)]
    assert "b.tar is not what it was when the state was taken, and stages are not done with it" in caplog.text
    (folder / "a.tar").unlink()
    put(parts[0], folder, "a")
    with frames(folder).iterate(epochs=1) as batches:
        assert [bits(next(batches)) for _ in range(length(parts[0]))][4:] == rest


def test_a_network_for_every_so_many_chunks(folder: Path, parts: list[Path]) -> None:
    """What a daemon does: wait, put the anchor at the newest file, train."""
    put(parts[0], folder, "a")
    with none_left(), pooled(folder, pool=100).iterate(epochs=None) as batches:
        assert batches.wait(chunks=GAMES) == GAMES
        assert batches.anchor() == "a.tar"
        assert batches.new_chunks() == batches.stats().new_chunks == 0
        next(batches)
        assert batches.new_chunks(since="") == GAMES
        for number in (1, 2):
            writer = threading.Thread(target=put, args=(parts[number], folder, f"n{number}"))
            writer.start()
            assert batches.wait(chunks=GAMES) == GAMES
            writer.join()
            assert batches.anchor() == f"n{number}.tar"
        assert batches.new_chunks(since="n1.tar") == GAMES
        assert batches.anchor("a.tar") == "a.tar"
        assert batches.stats().as_json()["new_chunks"] == 2 * GAMES
        batches.anchor("n2.tar")
        assert batches.new_chunks(since="a.tar") == 2 * GAMES
        state = json.dumps(batches.state_dict())
    put(parts[3], folder, "b")  # it sorts before the anchor, and came later
    with pooled(folder, pool=100).iterate(epochs=None, state=json.loads(state)) as batches:
        assert batches.wait(chunks=GAMES) == GAMES
        assert batches.new_chunks(since="a.tar") == 3 * GAMES
    with pooled(folder, pool=100).iterate(epochs=None) as batches:  # a new run knows names alone
        assert batches.wait(chunks=GAMES, since="n1.tar") == GAMES
        assert batches.wait(chunks=GAMES, since="aa.tar") == 3 * GAMES


@pytest.mark.anyio
async def test_it_can_be_awaited(folder: Path, parts: list[Path]) -> None:
    put(parts[0], folder, "a")
    async with pooled(folder).stream(epochs=None) as batches:
        assert await batches.wait(chunks=1) == GAMES
        batches.anchor()
        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.to_thread.run_sync, put, parts[1], folder, "b")
                assert await batches.wait(chunks=GAMES) == GAMES


def test_who_waits_is_told_when_the_run_is_left(folder: Path, parts: list[Path]) -> None:
    put(parts[0], folder, "a")
    with none_left():
        batches: Any = pooled(folder).iterate(epochs=None)
        with batches:
            next(batches)
            leaver = threading.Timer(0, batches.close)
            leaver.start()
            with pytest.raises(ClosedRun, match="was left, or is over"):
                batches.wait(chunks=10**6)
            leaver.join()
        with pytest.raises(ClosedRun):
            batches.wait(chunks=1)


def test_who_waits_is_told_what_failed(folder: Path, parts: list[Path]) -> None:
    put(parts[0], folder, "a")

    def wrong(batch: Any) -> Any:
        raise ZeroDivisionError("wrong")

    with (pooled(folder) >> fl.map(wrong)).iterate(epochs=None) as batches, pytest.raises(ZeroDivisionError):
        batches.wait(chunks=10**6)


def test_where_nothing_grows_nobody_waits(parts: list[Path]) -> None:
    graph = fl.discover(parts[0]) >> fl.read("lc0") >> fl.unpack() >> fl.batch(4)
    with graph.iterate() as batches, pytest.raises(GraphError, match="nothing in this graph grows"):
        batches.wait(chunks=1)
    assert batches.stats().new_chunks is None
    with (
        graph.iterate() as batches,
        pytest.raises(GraphError, match="wait: chunks is 0; wanted a number from 1"),
    ):
        batches.wait(chunks=0)
