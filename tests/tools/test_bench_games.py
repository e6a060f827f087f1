"""The benchmark of games works, and its contenders do the same work. Nothing here is about time."""

from __future__ import annotations

import importlib
import itertools
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from flowload.sample import sample_path
from tests.kernels.games import naive as naive_games
from tools.bench import figures
from tools.bench.games.corpus import Corpus, Rate, pack
from tools.bench.games.loaders import bare, flowload
from tools.bench.games.python_replay import replay
from tools.bench.games.report import report
from tools.bench.games.rivals import RIVALS
from tools.bench.games.settings import Settings
from tools.bench.measuring.loader import Loader, Reading
from tools.bench.measuring.others import rivals_of
from tools.bench.measuring.settings import ROOT, Window
from tools.bench.measuring.turns import play

QUICK = Settings(rows=0, many=0, seconds=0, warm=0, rounds=1, cpus=2).quick()
SAMPLE = 44_311  #: positions of the shipped games


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return pack(tmp_path_factory.mktemp("games") / "all", 50_000, ("bits", "uint8"), 2)[0]


def test_there_are_as_many_positions_as_are_wanted(corpus: Corpus) -> None:
    assert len(corpus.order) == 2 * SAMPLE
    assert {len(corpus.table(layout)) for layout in ("bits", "uint8")} == {2 * SAMPLE}
    assert sorted(corpus.order.tolist()) == list(range(2 * SAMPLE))


@pytest.mark.hammer
def test_everything_is_measured_and_told(tmp_path: Path) -> None:
    sheet = tmp_path / "games.json"
    command = [sys.executable, "tools/bench", "games", "--quick", "--no-rivals", "--json", str(sheet)]
    told = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    result = json.loads(sheet.read_text())
    names = {f"{who}, {layout}" for who in ("bare kernel", "flowload") for layout in ("bits", "uint8")}
    assert set(result["rows"]) == names
    assert all(f"| {name} " in told for name in names)
    assert [row[-1] for row in figures.games(result)] == ["not measured"] * 2
    assert all(rate["wall"] > 0 and rate["cpu"] > 0 for rate in result["packing"].values())
    assert [each["rows"] for each in result["memory"]] == [SAMPLE, 5 * SAMPLE, 5 * SAMPLE]
    if Path("/proc/self/smaps_rollup").exists():
        assert all(0 < each["before"] <= each["peak"] and each["private"] > 0 for each in result["memory"])


@pytest.mark.hammer
@pytest.mark.parametrize("rival", RIVALS, ids=lambda rival: rival.name)
def test_a_rival_gives_the_same_batches(rival: Any, corpus: Corpus) -> None:
    pytest.importorskip(rival.needs)
    module = importlib.import_module(f"tools.bench.games.{rival.module}")
    columns = corpus.table("uint8").columns
    known = {row.tobytes() for row in np.column_stack([columns.inputs, np.asarray(columns.outputs)])}
    with getattr(module, rival.function)(corpus, QUICK) as batches:
        for _ in range(2):
            batch = {key: np.asarray(array) for key, array in next(batches).items()}
            shapes = {key: (array.shape, str(array.dtype)) for key, array in batch.items()}
            assert shapes == {"inputs": ((1024, 193), "float32"), "outputs": ((1024,), "int64")}
            rows = np.column_stack([batch["inputs"], batch["outputs"]]).astype(np.uint8)
            assert all(row.tobytes() in known for row in rows)


def test_who_is_not_installed_is_told(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spdl.pipeline", None)
    sys.modules.pop("tools.bench.games.rival_spdl", None)
    found, absent = rivals_of(RIVALS, "tools.bench.games", corpus, QUICK)
    assert absent["SPDL, gather in threads, ring"].startswith("spdl is not installed")
    assert not any("SPDL" in loader.name for loader in found)


def test_the_plain_replay_gives_what_the_slow_twin_gives() -> None:
    (path,) = (path for path in sample_path("games").iterdir() if path.is_file())
    first = b"".join(game for _, game in itertools.islice(naive_games.games_of(path.read_bytes()), 12))
    wanted = naive_games.replay(first)
    assert len(wanted) == 12
    for (inputs, outcome), samples in zip(replay(path), wanted, strict=False):
        assert inputs.tolist() == [features for features, _ in samples]
        assert {outcome} == {label for _, label in samples}


@pytest.mark.parametrize("layout", ["bits", "uint8"])
def test_the_roof_and_the_graph_deliver(corpus: Corpus, layout: str) -> None:
    for make in (bare, flowload):
        reading = make(corpus, QUICK, layout).measure(Window(0.01, 0.05))
        assert reading.rows > 0
        assert reading.thrift


def test_ratios_are_of_measurements_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {
        "bare kernel, bits": [10.0, 20.0, 50.0],
        "flowload, bits": [9.0, 19.0, 1.0],
        RIVALS[0].name: [1.0, 1.0, 1.0],
        RIVALS[1].name: [3.0, 1.0, 1.0],
        RIVALS[2].name: [1.0, 9.5, 1.0],
    }
    turns = []

    def loader(name: str) -> Loader:
        rates = iter(said[name])

        def measure(window: Window) -> Reading:
            turns.append(name)
            return Reading(next(rates), 4.0 if name == RIVALS[1].name else 1.0)

        return Loader(name, "", measure)

    settings = Settings(rows=0, many=0, seconds=0, warm=0, rounds=3, cpus=1)
    monkeypatch.setattr(
        "tools.bench.measuring.turns.gc", SimpleNamespace(collect=int)
    )  # of a whole session's objects
    readings = play(
        [loader(name) for name in said], settings, lambda line: None, "rows", lambda reading: reading.rows
    )
    assert turns == [*said] * 3
    result: dict[str, Any] = {
        "absent": {},
        "settings": settings.as_json(),
        "machine": {
            "versions": {},
            "cpus_used": 1,
            "cpus_of_machine": 1,
            "cpu": "",
            "platform": "",
            "python": "",
        },
    }
    told = report(result, readings, {"flowload": Rate(900.0, 300.0), "plain Python": Rate(1.0, 2.0)}, [])
    line = next(line for line in told.splitlines() if line.startswith("| flowload, bits"))
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    assert cells == ["flowload, bits", "9", "1 - 19", "1.00", "90 %", "90 %", "9.0", "2.0", "4.0"]
    assert "| flowload                    |         900 |          300 |    150.0 |" in told
