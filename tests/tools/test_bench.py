"""The benchmark works, and its contenders do the same work. Nothing here is about time."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import zarr

from flowload.sample import sample_path
from tools.bench import figures
from tools.bench.chess.corpus import Corpus, load_corpus
from tools.bench.chess.footprint import Footprint
from tools.bench.chess.roofline import speed
from tools.bench.chess.rounds import rows_of
from tools.bench.chess.yardstick import NAME
from tools.bench.costs import elsewhere
from tools.bench.costs.devices import measure_devices
from tools.bench.costs.maps import has_lock, measure_maps, plainly
from tools.bench.measuring.markdown import table
from tools.bench.measuring.settings import ROOT, Contender, Reading, Settings, Window, Work, default_data
from tools.bench.measuring.turns import play
from tools.bench.neural.recording import recording
from tools.bench.neural.window_readers import libraries
from tools.bench.rivals.craft import KERNELS, NUMPY
from tools.bench.rivals.entries import RIVALS, references, rivals
from tools.bench.rivals.order import Order
from tools.bench.rivals.shuffle import Endless, Shuffle

SAMPLE = str(sample_path("chess") / "*.tar")
QUICK = Settings(data=SAMPLE, seconds=0, warm=0, rounds=1, cpus=2, rates=(1.0,)).quick()
WORKS = ["rate 1, tensors", "rate 0.03, tensors", "rate 1, tuple", "rate 1, bits"]


def bench(*words: str) -> str:
    command = [sys.executable, "tools/bench", *words]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


@pytest.fixture(scope="module")
def sample() -> Corpus:
    return load_corpus(SAMPLE)


@pytest.mark.hammer
def test_everything_is_measured_and_told(tmp_path: Path, sample: Corpus) -> None:
    path = tmp_path / "chess.json"
    told = bench("chess", "--quick", "--no-rivals", "--data", SAMPLE, "--json", str(path))
    result = json.loads(path.read_text())
    check_rows(result, sample)
    check_first_batches_and_memory(result)
    for row in result["rows"]:
        assert f"| {row['name']} " in told
    assert all(f"| {name} " in told for name in result["first_batch"])
    shown = list(figures.chess(result["rows"]))
    assert [row[0] for row in shown] == [WORKS[0], f"{WORKS[0]}, to_device('cpu')", *WORKS[1:]]
    assert all(cell for row in shown for cell in row)
    assert figures.best_of_chess(result["rows"]) == "Other loaders were not measured."


def check_rows(result: dict[str, Any], sample: Corpus) -> None:
    rows = {row["name"]: row for row in result["rows"]}
    wanted = {f"{who}, {work}" for who in ("bare threads", "flowload") for work in WORKS}
    assert set(rows) == {NAME, *wanted, f"flowload, {WORKS[0]}, to_device('cpu')"}
    for row in rows.values():
        assert row["frames"]["least"] == row["frames"]["median"] == row["frames"]["most"] > 0
        assert row["inflated"]["median"] == pytest.approx(
            row["frames"]["median"] / row["rate"] * sample.record
        )
        assert row["yardstick"]["median"] > 0
        if row["group"] == "graph":
            assert row["roofline"]["median"] > 0
            assert 0 <= row["loop"] <= row["cores"] + 1
            assert row["buffer_bytes"] > 0
    assert result["data"] == {"chunks": 24, "frames": sample.frames, "bytes": sample.nbytes}
    assert result["machine"]["cpus_used"] in (1, 2)
    assert result["settings"]["reservoir"] == 512


def check_first_batches_and_memory(result: dict[str, Any]) -> None:
    assert len(result["first_batch"]) == 4
    assert all(spread["least"] > 0 for spread in result["first_batch"].values())
    works = (WORKS[0], WORKS[1], WORKS[3])
    assert [found["name"] for found in result["memory"]] == [f"flowload, {work}" for work in works]
    for found in result["memory"]:
        assert 0 < found["imported"] < found["loaded"] < found["second_half"]
        assert found["estimate"] == sum(found["stages"].values())


@pytest.mark.hammer
def test_hops_are_counted() -> None:
    told = bench("hops", "--blocks", "50", "--rounds", "1").splitlines()
    assert len(told) == 7
    assert ("no lock" in told[1]) is not has_lock()


@pytest.mark.hammer
def test_one_round_says_what_watching_costs() -> None:
    told = bench("observe", "--rounds", "1", "--blocks", "50", "--turns", "1", "--only", "nobody")
    assert [line.split()[0] for line in told.splitlines()[:4]] == [
        "CPU",
        "nothing",
        "statistics",
        "statistics",
    ]


@pytest.mark.hammer
def test_windows_of_a_recording_are_measured(tmp_path: Path) -> None:
    small = ["--memory", "--size", "64", "--widths", "300000,20000", "--json", str(tmp_path / "memory.json")]
    lines = bench("neural", *small).splitlines()
    memory = json.loads((tmp_path / "memory.json").read_text())
    assert memory["window"] == pytest.approx(64 * 320_000 * 4, rel=0.01)
    assert 3 * memory["window"] <= memory["buffers"] <= memory["told"] <= 3.3 * memory["window"]
    if Path("/proc/self/status").exists():
        assert 2 * memory["window"] < memory["peak"] < 4 * memory["window"]  # imports have had some before
    assert [line.partition("  ")[0] for line in lines] == [
        "graph.memory()",
        "buffers of the run, at most",
        "process, above its imports",
        "one window",
    ]
    told = bench("neural", "--quick", "--json", str(tmp_path / "neural.json"))
    result = json.loads((tmp_path / "neural.json").read_text())
    for codec in ("raw", "zstd"):
        assert {"bare threads", "flowload", "zarr-python"} <= result["windows"][codec].keys()
        for name, readings in result["windows"][codec].items():
            assert f"| {codec}, {name} " in told
            assert all(reading["speed"] > 0 and reading["thrift"] >= 0 for reading in readings)
    assert [each["what"] for each in result["overlap"]] == [
        "a distant store",
        "zstd chunks in the page cache",
    ]
    assert all(each["speedup"] > 0 for each in result["overlap"])
    for name, speeds in result["selected"].items():
        assert f"| {name} " in told
        assert all(speed > 0 for speed in speeds)
    assert {"bare threads, into windows", "flowload, everything"} < result["selected"].keys()


@pytest.mark.parametrize("codec", ["raw", "zstd"])
def test_every_library_gives_the_window(codec: str) -> None:
    with recording(rows=64, columns=8, size=16, chunk=4) as corpus:
        wanted: Any = zarr.open_array(str(corpus.path(codec)), mode="r")
        for name, library in libraries().items():
            memory = np.zeros((16, 8), np.float32)
            library(corpus, codec, 1)(slice(20, 36), memory)
            np.testing.assert_array_equal(memory, wanted[20:36], err_msg=name)


def test_both_crafts_make_the_same_arrays(sample: Corpus) -> None:
    game = references(sample)[3]
    one, two = (craft.arrays(craft.read(game)) for craft in (NUMPY, KERNELS))
    assert one.keys() == two.keys()
    for key, array in one.items():
        assert array.dtype == two[key].dtype
        np.testing.assert_array_equal(array, two[key])


@pytest.mark.hammer
@pytest.mark.parametrize("rival", RIVALS, ids=lambda rival: rival.name)
def test_a_rival_gives_the_batches_of_the_layout(rival: Any, sample: Corpus) -> None:
    pytest.importorskip(rival.needs)
    module = importlib.import_module(f"tools.bench.rivals.{rival.module}")
    order = Order(references(sample), batch=32, reservoir=128, workers=1)
    with getattr(module, rival.function)(order, rival.crafts[-1]) as batches:
        for _ in range(3):
            batch = next(batches)
            shapes = {
                key: (tuple(array.shape), str(array.dtype).split(".")[-1]) for key, array in batch.items()
            }
            assert shapes == {
                "planes": ((32, 112, 8, 8), "float32"),
                "probabilities": ((32, 1858), "float32"),
                "values": ((32, 6, 3), "float32"),
            }


def test_who_is_not_installed_is_told(sample: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spdl.pipeline", None)
    sys.modules.pop("tools.bench.rivals.spdl_pipeline", None)
    found, absent = rivals(sample, QUICK)
    assert absent["SPDL, threads, ring"].startswith("spdl is not installed")
    assert not any("SPDL" in contender.name for contender in found)


def test_games_that_the_rivals_cannot_read_are_not_for_them(sample: Corpus, shared_lc0: Path) -> None:
    assert sample.plain
    other = load_corpus(str(shared_lc0 / "fmt3" / "*.tar"))
    assert not other.plain
    found, absent = rivals(other, QUICK)
    assert not found
    assert set(absent) == {rival.name for rival in RIVALS}


def test_the_shuffle_buffer_loses_nothing() -> None:
    shuffle = Shuffle(100, 16, 0)
    told = np.concatenate(
        [batch for k in range(50) for batch in shuffle.push(np.arange(30 * k, 30 * k + 30))]
    )
    assert shuffle.slots is not None
    everything = np.concatenate([told, shuffle.slots, *shuffle.parts])
    assert sorted(everything.tolist()) == list(range(1500))
    assert (np.diff(told) != 1).any()


def test_endless_games_come_once_a_pass(sample: Corpus) -> None:
    games = references(sample)
    stream = iter(Endless(games, 1))
    passes = [[next(stream) for _ in games] for _ in range(2)]
    assert sorted(passes[0]) == sorted(passes[1]) == sorted(games)
    assert passes[0] != passes[1]


def test_measurements_are_taken_in_turn_and_compared_round_by_round(
    sample: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {
        NAME: iter([100.0, 200.0, 400.0]),
        "roof": iter([10.0, 20.0, 50.0]),
        "own": iter([9.0, 19.0, 1.0]),
    }
    turns = []

    def contender(name: str, rate: float, against: str | None) -> Contender:
        def measure(window: Window) -> Reading:
            turns.append(name)
            return Reading(next(said[name]))

        return Contender(name=name, group="", work=Work(rate), measure=measure, against=against)

    contenders = [contender(NAME, 1, None), contender("roof", 0.1, None), contender("own", 0.1, "roof")]
    settings = Settings(data="", seconds=0, warm=0, rounds=3, cpus=1, rates=())
    monkeypatch.setattr(
        "tools.bench.measuring.turns.gc", SimpleNamespace(collect=int)
    )  # of a whole session's objects
    readings = play(contenders, settings, lambda line: None, "frames", lambda reading: reading.frames)
    assert turns == [NAME, "roof", "own"] * 3
    own = rows_of(contenders, readings, sample)[2]
    assert own.roofline == pytest.approx((0.9, 0.02, 0.95))
    assert own.yardstick == pytest.approx((0.9, 1 / 40, 0.95))
    assert own.frames == (9, 1, 19)


def test_bare_threads_are_timed_from_mark_to_mark() -> None:
    marks = [(0.0, 0), (1.0, 100), (2.0, 300), (4.0, 600), (5.0, 700)]
    assert speed(marks, 0.5, 3.0) == 500 / 3


def test_memory_is_told_over_what_was_there_before_the_stream() -> None:
    found = Footprint("x", imported=5, loaded=10, first_half=28, second_half=30, estimate=40, stages={})
    assert (found.taken, found.ratio, found.growth) == (20, 0.5, 2)


def test_a_table_is_markdown() -> None:
    assert table(("", "n"), [("a", "1"), ("bcd", "22")]).splitlines() == [
        "|     |  n |",
        "| --- | -: |",
        "| a   |  1 |",
        "| bcd | 22 |",
    ]


def test_without_data_the_best_that_is_there_is_taken() -> None:
    assert Path(default_data()).parent.is_dir()


@pytest.mark.slow
def test_auto_is_measured_beside_the_cpu() -> None:
    """Where no card is, both are built alike; that they take as long is the bench's to say."""
    told: list[str] = []
    made = measure_devices(batches=3, rounds=2, cpus=1, tell=told.append)
    assert [ratio.pipeline for ratio in made] == ["chess", "games"]
    assert all(min(ratio.rate, ratio.cpu, *ratio.rates.values()) > 0 for ratio in made)
    assert [line.split(",")[0] for line in told] == ["chess", "games"]


@pytest.mark.hammer
def test_maps_are_measured_in_threads_and_in_processes() -> None:
    """Each way does the same; how many times as fast is the bench's to say."""
    batch = {"x": np.linspace(-3, 3, 8, dtype=np.float32).reshape(2, 4)}
    np.testing.assert_array_equal(plainly(batch)["x"], np.clip(batch["x"], -1, 1))
    told: list[str] = []
    made = measure_maps(batches=2, rounds=1, cpus=2, tell=told.append)
    assert list(made) == ["one thread", "two threads", "one process", "two processes", "way"]
    assert made["one thread"] == 1
    assert len(told) == 7
    assert ("no lock" in told[1]) is not has_lock()


@pytest.mark.hammer
def test_a_process_of_its_own_is_measured_beside_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """That both give the same is for other tests; what it costs is the bench's to say."""
    monkeypatch.setattr(elsewhere, "LEAST", 1)
    monkeypatch.setattr(elsewhere, "FIRST", 1)
    monkeypatch.setattr(elsewhere, "JOBS", {"games": elsewhere.JOBS["games"]})
    monkeypatch.setattr(elsewhere, "WAYS", {"64 KiB": elsewhere.WAYS["64 KiB"]})
    told: list[str] = []
    (found,) = elsewhere.measure_elsewhere(batches=3, rounds=1, cpus=1, tell=told.append)
    assert min(found.rate, found.cpu) > 0
    assert found.mapped is not None
    assert "in a process of its own" in told[0]
    assert list(elsewhere.measure_way(batches=3, rounds=1, cpus=1, tell=told.append)) == ["64 KiB"]
