"""Right data from every graph, for every reader, whenever the card does what it was told to do."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

import flowload as fl
from flowload.blocks import Batch
from flowload.stages.batches.arrays.collate import Collate
from flowload.stages.batches.rebatch import Cut, Rebatch
from flowload.stages.device import cuda
from flowload.stages.device.on_card import CudaBatch
from tests.device.conftest import Install
from tests.device.flows import FLOWS, READERS, check, leaves, read, record, rows, windows
from tests.device.simulated.cards import MODES, Mode
from tests.device.simulated.tensors import CardTensor, copied, expect
from tests.stages.fakes import FakeCall
from tests.states import through_json

pytestmark = pytest.mark.parametrize("mode", MODES)


@cache
def on_cpu(name: str, seed: int = 1) -> list[list[Any]]:
    """What a graph gives, on the CPU."""
    with FLOWS[name]("cpu").iterate(seed=seed) as batches:
        return [[np.asarray(leaf).copy() for leaf in leaves(batch)] for batch in batches]


@pytest.mark.hammer
@pytest.mark.parametrize("name", FLOWS)
def test_every_graph_gives_what_it_gives_on_the_cpu(name: str, mode: Mode, cards: Install) -> None:
    card = cards(mode=mode)
    read(FLOWS[name]("cuda"), card, on_cpu(name))
    card.synchronize()
    assert not card.faults
    assert card.checks >= len(on_cpu(name))


@pytest.mark.hammer
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ["rows", "tee", "kernels", "filter", "pairs"])
def test_every_reader_gets_it(name: str, reader: str, mode: Mode, cards: Install) -> None:
    card = cards(mode=mode)
    read(FLOWS[name]("cuda"), card, on_cpu(name), reader)
    card.synchronize()
    assert not card.faults
    assert card.checks


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return record(str(tmp_path_factory.mktemp("recording")))


@pytest.mark.hammer
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("first", ["sample_within", "to_device"])
def test_windows_that_batches_share(first: str, reader: str, mode: Mode, path: str, cards: Install) -> None:
    card = cards(mode=mode)
    with windows(path, "cpu").iterate(seed=1) as batches:
        wanted = [[np.asarray(leaf).copy() for leaf in batch.values()] for batch in batches]
    graph = windows(path, "cuda")
    if first == "to_device":
        graph = fl.windows(path, 512, count=8) >> fl.to_device("cuda") >> fl.sample_within(64, steps=8)
    read(graph, card, wanted, reader)
    card.synchronize()
    assert not card.faults


@pytest.mark.parametrize("reader", ["plain", "side"])
def test_both_outputs_of_a_tee(reader: str, mode: Mode, cards: Install) -> None:
    card = cards(mode=mode)
    stream = torch.cuda.Stream() if reader == "side" else torch.cuda.current_stream()
    with (rows("cuda") >> fl.tee("a", "b")).iterate(seed=1) as run:
        others = run["b"]
        for number, batch in enumerate(run["a"]):
            check(batch, on_cpu("rows")[number], number)
            with torch.cuda.stream(stream):
                check(next(others), on_cpu("rows")[number], number)
    card.synchronize()
    assert not card.faults


@pytest.mark.parametrize("seen", [0, 1])
def test_several_cards_and_streams_of_their_own(seen: int, mode: Mode, cards: Install) -> None:
    """A filter on another card than the current one: its event belongs to the tensor's card."""
    card = cards(2, mode=mode)
    card.consumer = card.new_stream(1)
    torch.cuda.set_device(seen)
    graph = rows("cuda:1") >> fl.filter(lambda batch: np.arange(len(batch["n"])) % 2 == 0)
    with graph.iterate(seed=1) as batches, card.using(seen, None), card.using(1, card.consumer):
        torch.cuda.set_device(seen)
        for number, batch in enumerate(batches):
            assert batch["x"].device == torch.device("cuda", 1)
            check(batch, on_cpu("mask")[number], number)
    torch.cuda.set_device(0)
    card.synchronize()
    assert not card.faults


def test_from_card_to_card_and_home(mode: Mode, cards: Install) -> None:
    card = cards(2, mode=mode)
    there = rows("cuda:0") >> fl.to_device("cuda:1")
    read(there, card, on_cpu("rows"))
    with (there >> fl.to_device("cpu")).iterate(seed=1) as batches:
        for number, batch in enumerate(batches):
            assert not any(isinstance(tensor, CardTensor) for tensor in batch.values())
            check(batch, on_cpu("rows")[number], number)
    card.synchronize()
    assert not card.faults


@pytest.mark.parametrize("origin", ["source", "map", "stream"])
def test_tensors_that_a_user_put_on_the_card(origin: str, mode: Mode, cards: Install) -> None:
    """They are waited for, also where they were made in a stream of the user's own."""
    card = cards(mode=mode)
    device = torch.device("cuda", 0)
    local = threading.local()

    def sent(batch: dict[str, Any]) -> dict[str, Any]:
        tensors = {key: torch.as_tensor(array) for key, array in batch.items()}
        return {key: copied(card, tensor, device, wait=False) for key, tensor in tensors.items()}

    def put(batch: dict[str, Any]) -> dict[str, Any]:
        if origin != "stream":
            return sent(batch)
        if not hasattr(local, "stream"):
            local.stream = torch.cuda.Stream()
        with torch.cuda.stream(local.stream):
            made = sent(batch)
        torch.cuda.current_stream().wait_stream(local.stream)
        return made

    def elements() -> Any:
        return (put({"x": np.full((8, 3), k, np.float32)}) for k in range(20))

    wanted = [[np.full((8, 3), k, np.float32)] for k in range(20)]
    graph = fl.source(elements, samples=False)
    if origin != "source":
        graph = fl.source(lambda: ({"x": np.full((8, 3), k, np.float32)} for k in range(20)), samples=False)
        graph = graph >> fl.map(put)
    read(graph >> fl.to_device("cuda"), card, wanted, "side")
    card.consumer = card.defaults[0]
    read(graph, card, wanted)
    card.synchronize()
    assert not card.faults


def test_several_runs_and_graphs_at_once(mode: Mode, cards: Install) -> None:
    card = cards(mode=mode)
    names = ["rows", "pairs", "rows"]
    runs = [FLOWS[name]("cuda").iterate(seed=1) for name in names]
    for number in range(6):
        for name, run in zip(names, runs, strict=True):
            check(next(run), on_cpu(name)[number], number)
    for run in runs:
        run.__exit__(None, None, None)
    card.synchronize()
    assert not card.faults


def test_a_full_card_is_an_error_and_what_was_queued_reads_what_it_should(mode: Mode, cards: Install) -> None:
    """Out of memory in the second array of a batch: the copy of the first still reads its source."""
    card = cards(mode=mode)
    for _ in range(5):
        card.fails_at = card.copies + 22
        with pytest.raises(torch.OutOfMemoryError):
            read(rows("cuda"), card, on_cpu("rows"))
        card.fails_at = None
        read(rows("cuda"), card, on_cpu("rows"))
    card.synchronize()
    assert not card.faults


def test_the_readers_own_error(mode: Mode, cards: Install) -> None:
    card = cards(mode=mode)
    for _ in range(5):
        with pytest.raises(IndexError):  # of the fifth batch
            read(rows("cuda"), card, on_cpu("rows")[:4])
    card.synchronize()
    assert not card.faults
    expect(copied(card, torch.zeros(3), torch.device("cuda", 0), wait=False), np.zeros(3))


def test_rows_on_a_card_that_wait_for_their_batch_are_saved(mode: Mode, cards: Install) -> None:
    """And go on beside rows that are on the card."""
    card = cards(mode=mode)
    copies, wanted = cuda.ToCuda(0), on_cpu("rows")
    first, second = (copies.copy(Batch({"x": x, "n": n}), FakeCall()) for x, n in wanted[:2])
    cut = Rebatch(Cut(size=40))
    assert not list(cut.push(first, FakeCall()))
    again = Rebatch(Cut(size=40))
    again.restore(through_json(cut.state()))
    (pieces,) = again.push(second, FakeCall())
    made = Collate(None, None).apply(pieces, FakeCall())
    assert isinstance(made, CudaBatch)
    check(made.deliver(), [np.concatenate([a, b[:8]]) for a, b in zip(*wanted[:2], strict=True)], 0)
    copies.close()
    card.synchronize()
    assert not card.faults
