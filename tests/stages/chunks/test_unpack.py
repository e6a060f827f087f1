from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.abc.operators import Fold, Map, Setting
from flowload.blocks import Frames
from flowload.errors import GraphError
from flowload.formats.lc0.records import RECORDS
from flowload.formats.lc0.write import write_tar
from flowload.stages.batches.batch import batch
from flowload.stages.chunks.read import read
from flowload.stages.chunks.unpack import Checks, UnpackStage, unpack
from flowload.stages.files.discover import discover
from tests.kernels import strategies
from tests.stages.fakes import FakeCall
from tests.stages.toy import check_origin, toy_chunks, toy_file, used

SETTING = Setting(seed=3, epochs=1, cpus=2)


@given(
    rate=st.floats(1e-6, 1),
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    use=st.integers(0, 9),
)
def test_taken_says_what_will_come(
    tmp_path_factory: pytest.TempPathFactory, rate: float, lengths: list[int], use: int
) -> None:
    chunks = used(toy_file(tmp_path_factory.mktemp("toy"), lengths), use)
    stage = UnpackStage(rate=rate)
    said = stage.taken(chunks, 3)
    operator = stage.open(SETTING)[1]
    assert isinstance(operator, Map)
    frames = operator.apply(chunks, FakeCall(seed=3))
    found = (
        Counter(chunk for _, chunk, _ in check_origin(frames)) if isinstance(frames, Frames) else Counter()
    )
    assert said.tolist() == [found[i] for i in range(len(lengths))]


def test_taken_says_where_nobody_can_know() -> None:
    chunks = toy_chunks(3)
    chunks.table["records"][1] = -1
    assert [taken < 0 for taken in UnpackStage(rate=0.5).taken(chunks, 0).tolist()] == [False, True, False]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": 0.0}, "rate is 0.0; wanted a share"),
        ({"rate": 1.5}, "rate is 1.5; wanted a share"),
        ({"rate": float("nan")}, "rate is nan"),
        ({"rate": True}, "rate is True"),
        ({"count": 0}, "count is 0; wanted a number from 1"),
        ({"count": 2.5}, "count is 2.5"),
        ({"rate": 0.5, "count": 2}, "wanted one of them"),
        ({"max_chunk_bytes": 0}, "max_chunk_bytes is 0"),
        ({"checks": "moves"}, "checks is 'moves'; wanted 'values' or 'none'"),
    ],
)
def test_bad_parameters_are_named(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        UnpackStage(**arguments)  # type: ignore[arg-type]


def test_the_word_makes_a_stage_of_two_operators() -> None:
    (placed,) = unpack(0.03, workers=2).nodes()
    assert placed.stage == UnpackStage(rate=0.03, workers=2)
    assert placed.stage.parameters() == {"rate": 0.03, "workers": 2}
    recut, inflating = placed.stage.open(SETTING)
    assert isinstance(recut, Fold)
    assert isinstance(inflating, Map)
    assert 0 < UnpackStage(rate=0.03).memory(SETTING) < UnpackStage().memory(SETTING)


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (UnpackStage(), 800),
        (UnpackStage(rate=0.5), 480),
        (UnpackStage(rate=0.01), 400),
        (UnpackStage(count=2), 400),
    ],
)
def test_a_call_is_as_much_output_or_as_much_work_as_any_other(stage: UnpackStage, expected: int) -> None:
    chunks = toy_chunks(1, records=10)
    chunks.table["inflated"] = 800
    assert stage.cost(chunks.table).tolist() == [expected]


@pytest.mark.parametrize(("checks", "drops"), [("values", {"q out of range": 1}), ("none", {})])
def test_values_are_checked_unless_they_shall_not_be(
    checks: Checks, drops: dict[str, int], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    games = [np.stack([strategies.sound_record(6, 1, rng) for _ in range(3)]) for _ in range(2)]
    games[1].view(RECORDS[6])["best_q"][2] = np.nan
    write_tar(path := tmp_path / "games.tar", games)
    graph = discover(str(path)) >> read("lc0") >> unpack(checks=checks, on_error="skip") >> batch(10)
    with graph.iterate() as batches:
        assert sum(len(one["planes"]) for one in batches) == 6 - 3 * len(drops)
        assert batches.stats().stages["unpack"].dropped == drops
