"""A graph as a torch data set: whole batches, the next epoch each time, exact resume."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import flowload as fl
from flowload.adapters.torch import GraphDataset, as_iterable_dataset, only
from flowload.errors import GraphError
from flowload.graph.engine import RunOrder
from tests.stages.toy_rows import ToyRecords


def numbers() -> fl.Graph:
    arrays = [{"x": np.arange(k, k + 4), "y": np.ones((4, 2), np.float32)} for k in range(3)]
    return fl.source(lambda: iter(arrays)) >> fl.to_device("cpu")


def shuffled() -> fl.Graph:
    return fl.rows(ToyRecords(40)) >> fl.shuffle() >> fl.batch(7)


def order(batches: Any) -> list[int]:
    return [int(row) for batch in batches for row in batch["row"]]


@pytest.mark.parametrize(
    "loader", [lambda dataset: DataLoader(dataset, batch_size=None, num_workers=0), iter]
)
def test_it_gives_the_graphs_batches(loader: Any) -> None:
    given = list(loader(numbers().as_torch_dataset(epochs=2)))
    assert [batch["x"].tolist() for batch in given] == [[0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5]] * 2
    assert given[0]["y"].dtype == torch.float32


@pytest.mark.parametrize("graph", [shuffled(), shuffled() >> fl.to_device("cpu")])
def test_batches_are_tensors_on_the_leased_memory(graph: fl.Graph) -> None:
    for batch in graph.as_torch_dataset():
        assert isinstance(batch["row"], torch.Tensor)
        assert batch["row"].data_ptr() % 64 == 0


def test_what_is_no_dictionary_stays_as_it_is() -> None:
    assert list((fl.source(lambda: iter([1, "a"]))).as_torch_dataset()) == [1, "a"]


def test_both_words_are_one() -> None:
    for made in (as_iterable_dataset(numbers(), seed=3), numbers().as_torch_dataset(seed=3)):
        assert type(made) is GraphDataset
        assert (made.order, made.length) == (RunOrder(seed=3), None)


def test_every_time_is_the_next_pass_of_the_seed() -> None:
    dataset = shuffled().as_torch_dataset(seed=7)
    loader = DataLoader(dataset, batch_size=None, num_workers=0)
    orders = [order(loader) for _ in range(3)]
    for number, found in enumerate(orders):
        with shuffled().iterate(seed=7, first_epoch=number) as run:
            assert found == order(run)
        assert sorted(found) == list(range(40))
    assert len({tuple(found) for found in orders}) == 3
    again = shuffled().as_torch_dataset(seed=7)
    again.set_epoch(2)
    assert order(again) == orders[2]
    again.set_epoch(0)
    assert order(again) == orders[0]


def test_an_iteration_of_several_passes_is_followed_by_the_next_ones() -> None:
    dataset = shuffled().as_torch_dataset(seed=7, epochs=2)
    assert len(order(dataset)) == 80
    with shuffled().iterate(seed=7, epochs=2, first_epoch=2) as run:
        assert order(dataset) == order(run)


def test_an_iteration_without_an_end_begins_at_its_number() -> None:
    dataset = shuffled().as_torch_dataset(seed=7, epochs=None)
    dataset.set_epoch(3)
    with shuffled().iterate(seed=7, first_epoch=3) as run:
        assert next(iter(dataset))["row"].tolist() == next(run)["row"].tolist()


def test_states_of_earlier_versions_are_taken_exactly_or_refused_by_name() -> None:
    """Their epoch k had seed + k: only epoch 0 is the same stream."""
    with shuffled().iterate(seed=5) as run:
        whole = [batch["row"].tolist() for batch in run]
    with shuffled().iterate(seed=5) as run:
        next(run)
        state = {"seed": 5, "epoch": 0, "run": run.state_dict()}
    dataset = shuffled().as_torch_dataset(seed=5)
    dataset.load_state_dict(state)
    assert [batch["row"].tolist() for batch in dataset] == whole[1:]
    for run_state in (None, {"flowload": 1}):
        with pytest.raises(GraphError, match=r"seeds of their own, here 5 \+ 2: .* set_epoch\(2\) begins"):
            dataset.load_state_dict({"seed": 5, "epoch": 2, "run": run_state})
    twice = shuffled().as_torch_dataset(seed=5, epochs=2)
    list(twice)
    with pytest.raises(GraphError, match="found iteration 1 from pass 2 on, wanted from 1 on"):
        dataset.load_state_dict(twice.state_dict())


def test_asking_for_an_iterator_alone_is_no_epoch() -> None:
    """Lightning does so to see whether it may."""
    dataset = shuffled().as_torch_dataset()
    iter(dataset)
    assert dataset.epoch == 0
    with shuffled().iterate(seed=0) as run:
        assert order(dataset) == order(run)


def known_of(state: Any) -> Any:
    """A state but for where the stages stand: there may be a newer one of the same place."""
    run = state["run"] and {key: value for key, value in state["run"].items() if key != "standing"}
    return {**state, "run": run}


@pytest.mark.parametrize("cut", range(13))
def test_it_goes_on_behind_every_batch(cut: int) -> None:
    """Two epochs of six batches, saved through JSON behind each."""

    def epochs(dataset: Any) -> Any:
        while dataset.epoch < 2:
            yield from dataset

    whole = [batch["row"].tolist() for batch in epochs(shuffled().as_torch_dataset(seed=1))]
    assert len(whole) == 12
    first = shuffled().as_torch_dataset(seed=1)
    stream = epochs(first)
    given = [next(stream)["row"].tolist() for _ in range(cut)]
    state = json.loads(json.dumps(first.state_dict()))
    stream.close()
    assert known_of(first.state_dict()) == known_of(state)
    second = shuffled().as_torch_dataset(seed=1)
    second.load_state_dict(state)
    assert second.state_dict() == state
    second.set_epoch(state["epoch"])  # as trainers do
    rest = [batch["row"].tolist() for batch in second] if state["run"] or second.epoch < 2 else []
    rest += [batch["row"].tolist() for batch in epochs(second)]
    assert given + rest == whole


@pytest.mark.filterwarnings("ignore")  # the loader's own
def test_a_loader_that_keeps_state_goes_on() -> None:
    stateful = pytest.importorskip("torchdata.stateful_dataloader")
    loader = stateful.StatefulDataLoader(shuffled().as_torch_dataset(seed=1), batch_size=None)
    whole = order(loader)
    stream = iter(loader := stateful.StatefulDataLoader(shuffled().as_torch_dataset(seed=1), batch_size=None))
    given = order(next(stream) for _ in range(2))
    state = loader.state_dict()
    again = stateful.StatefulDataLoader(shuffled().as_torch_dataset(seed=1), batch_size=None)
    again.load_state_dict(state)
    assert given + order(again) == whole


def test_states_of_something_else() -> None:
    dataset = shuffled().as_torch_dataset(seed=1)
    with pytest.raises(GraphError, match="this is not the state of a data set"):
        dataset.load_state_dict({"epoch": 1})
    with pytest.raises(GraphError, match="the state is of another seed: found 2, wanted 1"):
        dataset.load_state_dict({"seed": 2, "epoch": 1, "run": None})
    dataset.load_state_dict({"seed": 1, "epoch": 0, "run": {"flowload": 1}})
    with pytest.raises(GraphError, match="this is not the state of a run"):
        next(iter(dataset))


def test_the_length_is_what_was_said() -> None:
    dataset = shuffled().as_torch_dataset(length=6)
    assert len(dataset) == len(DataLoader(dataset, batch_size=None)) == len(list(dataset)) == 6
    with pytest.raises(TypeError, match=r"as_torch_dataset\(length=\.\.\.\) says it"):
        len(shuffled().as_torch_dataset())


def test_leaving_early_ends_the_run() -> None:
    stream = iter(numbers().as_torch_dataset(epochs=None))
    next(stream)
    stream.close()


def test_a_worker_process_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without a real worker: a fork of this process, which has had threads, may hang.
    worker = SimpleNamespace(id=1, num_workers=2)
    monkeypatch.setattr("flowload.adapters.torch_dataset.get_worker_info", lambda: worker)
    with pytest.raises(GraphError, match=r"worker process 1 of 2 .* use num_workers=0"):
        next(iter(numbers().as_torch_dataset()))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"seed": -1}, "seed is -1"), ({"epochs": 0}, "epochs is 0"), ({"cpus": 0}, "cpus is 0"),
     ({"length": -1}, "length is -1"), ({"length": 1.5}, "length is 1.5")],
)  # fmt: skip
def test_bad_parameters(options: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        numbers().as_torch_dataset(**options)


def test_a_data_set_is_one_stream() -> None:
    with pytest.raises(GraphError, match="this graph has 2: a, b"):
        (numbers() >> fl.tee("a", "b")).as_torch_dataset()


def test_the_only_batch_of_a_list() -> None:
    assert only([{"x": 1}]) == {"x": 1}
    with pytest.raises(ValueError, match="too many values"):
        only([1, 2])
    loader = DataLoader(shuffled().as_torch_dataset(), batch_size=1, collate_fn=only)
    with shuffled().iterate() as run:
        assert order(loader) == order(run)


@pytest.mark.slow
def test_drawing_does_not_import_torch() -> None:
    code = "import sys, flowload as fl; fl.rows(9) >> fl.batch(2); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_ranks_that_may_end_in_different_steps_are_refused_or_allowed() -> None:
    rows = fl.rows(ToyRecords(40)) >> fl.shard(0, world=2)
    graph = rows >> fl.batch(4) >> fl.filter(lambda batch: batch["row"] % 3 > 0)
    with pytest.raises(GraphError, match="'filter' is behind shard"):
        next(iter(graph.as_torch_dataset()))
    assert len(order(graph.as_torch_dataset(even="allow"))) == 13
    with pytest.raises(GraphError, match="even is 'no'"):
        graph.as_torch_dataset(even="no")  # type: ignore[arg-type]


def on_a_card() -> fl.Graph:
    """Batches with a tensor that is not on the CPU, one that is, an array and a text."""

    def arrive(batch: Any) -> Any:
        there, here = torch.zeros(4, device="meta"), torch.arange(4)
        return {"x": there, "n": here, "y": batch["x"], "name": "a"}

    return fl.source(lambda: iter([{"x": np.arange(4)}] * 2)) >> fl.map(arrive)


@pytest.fixture
def pins(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """A machine with an accelerator: what was pinned there, which only tensors on the CPU can be."""
    asked: list[torch.Tensor] = []

    def pin(tensor: torch.Tensor, device: object = None) -> torch.Tensor:
        if tensor.device.type != "cpu":
            raise RuntimeError(
                f"cannot pin a tensor on {tensor.device}, only dense CPU tensors can be pinned"
            )
        asked.append(tensor)
        return tensor.clone()

    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    return asked


@pytest.mark.parametrize("how", [{"batch_size": None}, {"batch_size": 1, "collate_fn": only}])
def test_a_loader_that_pins_takes_batches_that_are_on_a_card(pins: list[torch.Tensor], how: Any) -> None:
    given = list(DataLoader(on_a_card().as_torch_dataset(), pin_memory=True, **how))
    assert len(given) == 2
    for batch in given:
        assert list(batch) == ["x", "n", "y", "name"]
        assert batch["x"].device.type == "meta"
        assert batch["n"].tolist() == batch["y"].tolist() == [0, 1, 2, 3]
        assert batch["name"] == "a"
    assert len(pins) == 4  # n and y of both, nothing else


def test_a_loader_that_pins_pins_what_is_on_the_cpu(pins: list[torch.Tensor]) -> None:
    given = list(DataLoader(numbers().as_torch_dataset(), batch_size=None, pin_memory=True))
    assert [type(batch) for batch in given] == [dict] * 3
    assert len(pins) == 6


@pytest.mark.parametrize(
    "options", [{}, {"batch_size": 1}, {"batch_size": 7}, {"batch_size": 2, "collate_fn": only}]
)
def test_a_loader_that_would_batch_batches_is_told_the_right_line(options: dict[str, Any]) -> None:
    size = options.get("batch_size", 1)
    with pytest.raises(GraphError, match=rf"batch_size={size}, .* DataLoader\(data, batch_size=None\)"):
        next(iter(DataLoader(shuffled().as_torch_dataset(), **options)))


def test_a_loader_that_insists_on_a_size_may_take_one() -> None:
    loader = DataLoader(shuffled().as_torch_dataset(), batch_size=1, collate_fn=only)
    assert [len(batch["row"]) for batch in loader] == [7, 7, 7, 7, 7, 5]


def test_a_loader_knows_its_length() -> None:
    graph = fl.rows(100) >> fl.batch(7)
    assert len(DataLoader(graph.as_torch_dataset(epochs=2), batch_size=None)) == 29
    assert sum(1 for _ in DataLoader(graph.as_torch_dataset(epochs=2), batch_size=None)) == 29
