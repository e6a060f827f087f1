"""`fl.map(executor="process")`: the same stream as threads, errors with their lines, nothing left behind."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch

import flowload as fl
from flowload.errors import GraphError, MissingExtra, ProcessDied, UserCodeError
from flowload.processes.child import pack, unpack
from flowload.tracebacks import failing_line
from tests.descriptors import none_left_open
from tests.processes import functions

ROOT = Path(__file__).parents[2]
X = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)


def rows(size: int = 4) -> fl.Graph:
    return fl.rows({"x": X, "number": np.arange(len(X))}) >> fl.shuffle() >> fl.batch(size)


def taken(graph: fl.Graph, **how: Any) -> list[dict[str, Any]]:
    with graph.iterate(seed=3, **how) as batches:
        return [{key: np.array(value) for key, value in batch.items()} for batch in batches]


def same(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> None:
    assert len(found) == len(wanted) > 0
    for one, other in zip(found, wanted, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            assert one[key].dtype == other[key].dtype
            np.testing.assert_array_equal(one[key], other[key])


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    me = psutil.Process()
    before = {child.pid for child in me.children()}
    with none_left_open():
        yield
        gc.collect()  # an error's frames have the connection
        assert {child.pid for child in me.children()} <= before


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("random", [False, True])
def test_the_stream_is_that_of_threads(workers: int, *, random: bool) -> None:
    fn = functions.noisy if random else functions.clipped

    def mapped(executor: Any, workers: int) -> list[dict[str, Any]]:
        return taken(rows() >> fl.map(fn, random=random, workers=workers, executor=executor))

    same(mapped("process", workers), mapped("thread", 1))


@pytest.mark.slow
def test_closures_lambdas_and_objects_are_taken_along() -> None:
    pytest.importorskip("cloudpickle")
    factor = np.float32(3)
    for fn in (lambda batch: {"x": batch["x"] * factor}, functions.Times(factor)):
        same(taken(rows() >> fl.map(fn, executor="process")), taken(rows() >> fl.map(fn)))


@pytest.mark.slow
def test_a_function_of_a_module_that_was_made_while_running_is_taken_along(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("cloudpickle")
    module = types.ModuleType("made_while_running")
    code = (
        "import numpy\ndef helper(x):\n    return x * 2\ndef fn(batch):\n    return {'x': helper(batch['x'])}"
    )
    exec(code, module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    same(taken(rows() >> fl.map(module.fn, executor="process")), taken(rows() >> fl.map(module.fn)))


@pytest.mark.slow
def test_every_kind_of_array_and_value_comes_through() -> None:
    graph = rows() >> fl.map(functions.many_kinds, executor="process", workers=2)
    same(taken(graph), taken(rows() >> fl.map(functions.many_kinds)))
    values = fl.source(lambda: iter(["a", "b", "c"])) >> fl.map(functions.doubled, executor="process")
    with values.iterate() as batches:
        assert list(batches) == ["aa", "bb", "cc"]


@pytest.mark.slow
def test_what_is_written_in_place_comes_back_and_may_be_written_to_again() -> None:
    graph = rows() >> fl.map(functions.in_place, executor="process") >> fl.map(functions.in_place)
    same(taken(graph), [{**batch, "x": (batch["x"] + 1) + 1} for batch in taken(rows())])


@pytest.mark.slow
def test_blocks_of_growing_sizes() -> None:
    graph = (
        fl.source(lambda: iter([{"x": np.full(1 << k, k, np.int64)} for k in range(8, 20)]))
        >> fl.map(functions.clipped, executor="process", workers=1)
    )  # fmt: skip
    with graph.iterate() as batches:
        for k, batch in enumerate(batches, 8):
            assert (batch["x"] == 1).all()
            assert len(batch["x"]) == 1 << k


def test_values_lie_where_they_were_written_as_long_as_somebody_sees_them() -> None:
    source = fl.source(lambda: iter([{"x": np.full(1 << 10, k, np.int64)} for k in range(60)]))
    graph = source >> fl.map(functions.in_place, executor="process", workers=1)
    with graph.iterate() as batches:
        held = [next(batches)["x"] for _ in range(20)]
        assert [each[0] for each in held] == list(range(1, 21))
        assert all(not each.flags.owndata and each.base is not None for each in held)
        places = {each.ctypes.data for each in held}
        assert len(places) == 20
        last = held.pop()
        del held
        for batch in batches:
            places.add(batch["x"].ctypes.data)
            del batch
        assert len(places) < 40, "what nobody sees is used again"
        assert (last == 20).all()
    assert (last == 20).all()


@pytest.mark.slow
def test_arrays_that_the_function_keeps_are_not_written_to_again() -> None:
    graph = rows() >> fl.map(functions.Keeps(), executor="process", workers=1)
    found, whole = taken(graph), taken(rows())
    for k, batch in enumerate(found):
        wanted = sum(float(each["x"].sum(dtype=np.float64)) for each in whole[: k + 1])
        assert batch["total"][0] == pytest.approx(wanted, abs=1e-4)


@pytest.mark.slow
def test_none_drops_a_block_and_is_counted() -> None:
    with (rows() >> fl.map(functions.none_for_some, executor="process")).iterate(seed=1) as batches:
        left = sum(len(batch["x"]) for batch in batches)
        stats = batches.stats().stages["map"]
    assert stats.dropped == {"returned None": len(X) - left}
    assert 0 < left < len(X)


@pytest.mark.slow
def test_an_error_is_the_users_with_its_line_and_text() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        taken(rows() >> fl.map(functions.divides, executor="process"))
    assert "raised in worker process " in "".join(caught.value.__notes__)
    place = failing_line(caught.value)
    assert place is not None
    assert place[0].partition(":")[0] == functions.__file__
    assert place[1] == "return value // zero"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fn", "kind", "words"),
    [
        (functions.fails_oddly, UserCodeError, "Odd: 4 samples"),
        (functions.ends, ProcessDied, "worker process [0-9]+ was ended with code 3 in block 0"),
        (functions.exits, UserCodeError, "SystemExit"),
        (functions.returns_a_lock, TypeError, "pickle"),
    ],
)
def test_errors_that_cannot_travel_are_named(fn: Callable[..., Any], kind: type, words: str) -> None:
    with pytest.raises(kind, match=words):
        taken(rows() >> fl.map(fn, executor="process", workers=1))


@pytest.mark.slow
def test_a_worker_that_is_killed_is_named_and_replaced() -> None:
    graph = rows() >> fl.map(functions.killed_at_seven, executor="process", on_error="skip", workers=1)
    with graph.iterate(seed=3) as batches:
        left = sorted(number for batch in batches for number in batch["number"].tolist())
        stats = batches.stats().stages["map"]
    assert len(left) == len(X) - 4
    assert 7 not in left
    assert stats.dropped == {"ProcessDied": 4}


@pytest.mark.slow
def test_a_function_whose_module_cannot_be_imported_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_here.py").write_text("def fn(batch):\n    return batch\n")
    monkeypatch.syspath_prepend(tmp_path)
    fn = importlib.import_module("only_here").fn
    (tmp_path / "only_here.py").write_text("raise ImportError('of this process alone')\n")
    with pytest.raises(ImportError, match="of this process alone"):
        taken(rows() >> fl.map(fn, executor="process"))
    del sys.modules["only_here"]


@pytest.mark.slow
def test_who_leaves_in_a_call_that_does_not_end_leaves_no_process() -> None:
    graph = fl.source(lambda: iter(range(9))) >> fl.map(
        functions.waits_from_two_on, executor="process", workers=2
    )
    with graph.iterate() as batches:
        assert next(batches) == 0
        assert next(batches) == 1


@pytest.mark.slow
def test_a_parent_that_is_killed_leaves_no_process_not_even_a_busy_one() -> None:
    script = (
        "import flowload as fl\nfrom tests.processes import functions\n"
        "graph = fl.source(lambda: iter(range(9))) >> fl.map(functions.tells_and_waits, executor='process')\n"
        "with graph.iterate() as batches:\n    next(batches)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        child = os.pidfd_open(int(run.stdout.readline()))
        run.kill()
        signalled = threading.Thread(target=lambda: os.waitid(os.P_PID, run.pid, os.WEXITED | os.WNOWAIT))
        signalled.start()
        signalled.join()
    import select  # noqa: PLC0415

    assert select.select([child], [], [], 60)[0], "it has ended"
    os.close(child)


def test_what_cannot_run_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def coroutine(batch: Any) -> Any:
        return batch

    with pytest.raises(GraphError, match="executor is 'fork'; wanted 'thread' or 'process'"):
        fl.map(functions.clipped, executor="fork")  # type: ignore[arg-type]
    with pytest.raises(GraphError, match="coroutine"):
        fl.map(coroutine, executor="process")
    lock = threading.Lock()
    pytest.importorskip("cloudpickle")
    with pytest.raises(GraphError, match=r"cannot be taken to another process: TypeError: .*lock"):
        taken(rows() >> fl.map(lambda batch: (lock, batch)[1], executor="process"))
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(MissingExtra, match=r"pip install 'flowload\[processes\]'"):
        taken(rows() >> fl.map(lambda batch: batch, executor="process"))


@pytest.mark.slow
def test_a_state_goes_on_where_the_function_runs_elsewhere() -> None:
    threads, processes = (rows() >> fl.map(functions.clipped, executor=how) for how in ("thread", "process"))
    with threads.iterate(seed=3) as batches:
        for _ in range(4):
            next(batches)
        state = batches.state_dict()
    same(taken(processes, state=state), taken(threads)[4:])


@pytest.mark.slow
def test_signals_of_the_terminal_are_the_parents() -> None:
    graph = fl.source(lambda: iter(range(3))) >> fl.map(functions.interrupted, executor="process", workers=1)
    with graph.iterate() as batches:
        assert list(batches) == [signal.SIG_IGN] * 3


# --- tensors ----------------------------------------------------------------------------------------

UNSIGNED = {
    name: np.arange(10).astype(name) for name in ("uint8", "uint16", "uint32", "uint64", "int64", "bool")
}


@pytest.mark.slow
def test_tensors_of_all_numbers_go_there_and_back() -> None:
    """torch 2.13 cannot read its own pickles of uint16, uint32 and uint64."""
    graph = fl.rows(UNSIGNED) >> fl.batch(5) >> fl.to_device("cpu")
    with (graph >> fl.map(functions.seen_as_tensors, executor="process", workers=1)).iterate() as batches:
        found = list(batches)
    assert len(found) == 2
    for number, batch in enumerate(found):
        for name, values in UNSIGNED.items():
            assert str(batch[name].dtype) == f"torch.{name}"
            np.testing.assert_array_equal(batch[name].numpy(), values[5 * number : 5 * number + 5])
        assert batch["kinds"] == [f"torch.{name} (5,)" for name in UNSIGNED]


def test_tensors_lie_beside_the_pickle_whatever_they_are() -> None:
    numbers = torch.arange(24).reshape(4, 6)
    values = {
        **{
            str(kind): numbers.to(kind)
            for kind in (torch.uint64, torch.uint16, torch.bfloat16, torch.float16)
        },
        "turned": numbers.t(),
        "every other": numbers[:, ::2].to(torch.bfloat16),
        "one": torch.tensor(3.0),
        "one bfloat16": torch.tensor(3.0).to(torch.bfloat16),
        "none": numbers[:0].to(torch.uint32),
        "complex": torch.tensor([1 + 2j]),
        "conjugate": torch.tensor([1 + 2j]).conj(),
        "learnt": torch.nn.Parameter(torch.ones(2)),
        "sparse": torch.eye(3).to_sparse(),
    }
    meta, buffers = pack({"deep": [values]})
    found = unpack(meta, [buffer.copy() for buffer in buffers])["deep"][0]
    assert sum(buffer.nbytes for buffer in buffers) >= sum(values[key].nbytes for key in list(values)[:8])
    for key, value in values.items():
        assert type(found[key]) is type(value)
        assert found[key].dtype == value.dtype
        assert found[key].shape == value.shape
        assert torch.equal(found[key].to_dense(), value.to_dense()), key
    found["turned"] += 1  # memory that may be written to
