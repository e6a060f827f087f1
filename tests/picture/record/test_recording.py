"""Runs in files: small, bounded, whole; looked at afterwards, and compared."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import flowload as fl
from flowload.cli import main
from flowload.errors import DataError
from flowload.graph import Graph
from flowload.picture.record.compare import compare
from flowload.picture.record.feed import Memory
from flowload.picture.record.recording import FileRun, Recorder, Recording, read_recording
from tests.picture.graphs import three
from tests.picture.scenes import scene_of
from tests.runtime.stages import numbers, plus, rebatch
from tests.threads import none_left

ROOT = Path(__file__).parents[3]


def recorded(graph: Graph, path: Path) -> Recording:
    with none_left(), Recorder(batches := graph.iterate(), "mine", path) as recorder, batches:
        for number, _ in enumerate(batches):
            if number % 3 == 0:
                recorder.feed.look()
    return read_recording(path)


def test_a_run_is_recorded_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "run.flow"
    found = recorded(three(), path)
    assert found.title == "mine"
    assert [row.name for row in found.rails.rows][-1] == "output 'out'"
    assert found.moments[-1]["say"]["state"] == "over"
    assert found.stats["finished"] is True
    assert found.stats["consumers"]["out"]["samples"] == found.stats["delivered"] > 0
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_size < 20_000
    shown = FileRun(found)
    assert [kept.number for kept in shown.since(1)] == list(range(2, len(found.moments) + 1))
    assert json.loads(shown.ask("stats.json")[0])["delivered"] == found.stats["delivered"]
    with pytest.raises(LookupError, match="the run is over"):
        shown.ask("dump.txt")


def test_a_run_that_fails_is_recorded_too(tmp_path: Path) -> None:
    def bad(value: Any) -> Any:
        raise ValueError("no")

    graph = fl.source(lambda: iter(range(9))) >> fl.map(bad, workers=1)
    path = tmp_path / "run.flow"
    with pytest.raises(ValueError, match="no"), Recorder(batches := graph.iterate(), "", path), batches:
        next(batches)
    assert read_recording(path).moments[-1]["say"]["state"] == "failed"


@pytest.mark.slow
def test_a_long_recording_stays_small(tmp_path: Path) -> None:
    scene = scene_of(three(), 3)
    path = tmp_path / "run.flow"
    recorder = Recorder(three().iterate(), "long", path)
    recorder.feed.memory = Memory(scene.rails)
    for _ in range(6_000):
        recorder.feed.tape.add(json.dumps(scene.moments[0]).encode())
    recorder.save()
    assert len(read_recording(path).moments) < 800
    assert path.stat().st_size < 1 << 20


def lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def write(path: Path, lines: list[Any]) -> None:
    path.write_bytes(gzip.compress(b"\n".join(json.dumps(line).encode() for line in lines)))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda lines: lines[0].update(version=9), "of another kind"),
        (lambda lines: lines[0].pop("rails"), "damaged"),
        (lambda lines: lines.__delitem__(slice(1, None)), "empty"),
        (lambda lines: lines[1].update(at="<b>"), "damaged"),
        (lambda lines: lines[1]["cells"].pop(), "damaged"),
        (lambda lines: lines[1]["cells"][0].update(time=["<svg>"] * 6), "damaged"),
        (lambda lines: lines[1]["cells"][0].update(note=7), "damaged"),
        (lambda lines: lines[1]["queues"][0].append("x"), "damaged"),
        (lambda lines: lines[1]["say"].update(head=[["a", "b", "c"]]), "damaged"),
        (lambda lines: lines.insert(1, [1, 2]), "damaged"),
    ],
)
def test_what_is_no_recording_is_named(spoil: Any, told: str, tmp_path: Path) -> None:
    path = tmp_path / "run.flow"
    recorded(three(), path)
    lines = lines_of(path)
    spoil(lines)
    write(path, lines)
    with pytest.raises(DataError, match=rf"run\.flow: {told}"):
        read_recording(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"no gzip", gzip.compress(b"x" * 99)[:20], gzip.compress(b"[]")],
    ids=["empty", "text", "cut off", "no header"],
)
def test_other_files_are_named_too(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.flow"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.flow"):
        read_recording(path)
    assert main(["watch", str(path)]) == 2


def test_two_runs_are_compared(tmp_path: Path) -> None:
    one = recorded(numbers(60, 2) >> plus(1, name="add", workers=2) >> rebatch(5), tmp_path / "a.flow")
    other = recorded(numbers(60, 2) >> plus(1, name="add", workers=1) >> rebatch(4), tmp_path / "b.flow")
    slow = dict(other.stats)
    slow["elapsed"] = one.stats["elapsed"] * 2
    slow["delivered"] = one.stats["delivered"]
    stages = {name: dict(stage) for name, stage in one.stats["stages"].items()}
    stages["add"] |= {"busy": one.stats["elapsed"] * 2, "workers": 1}
    slow["stages"] = stages
    notes = compare(one, Recording(other.path, "", "", other.rails, slow, other.moments))
    assert notes[0].startswith("b.flow makes 0.50 × as much as a.flow")
    assert notes[0].endswith("add changed most.")
    assert notes[1].startswith("add takes ")
    assert compare(one, one)[0].startswith(f"{one.path} is as fast as")
    nothing = Recording(other.path, "", "", other.rails, {**slow, "delivered": 0}, other.moments)
    assert "delivered nothing" in compare(one, nothing)[0]


def test_what_was_set_differently_is_told(tmp_path: Path) -> None:
    def graph(size: int) -> Graph:
        return fl.source(lambda: iter(range(50)), samples=True) >> fl.batch(size)

    one, other = recorded(graph(4), tmp_path / "a.flow"), recorded(graph(5), tmp_path / "b.flow")
    assert compare(one, other)[-1] == "Set differently: batch: size 5, not 4."
    assert compare(one, recorded(three(), tmp_path / "c.flow"))[-2].startswith("Only the first has ")


def test_the_command_records_draws_and_compares(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = tmp_path / "p.py"
    pipeline.write_text(
        "import flowload as fl\n"
        "@fl.pipeline\n"
        "def mine(n: int = 50):\n"
        "    return fl.source(lambda: iter(range(n)), samples=True) >> fl.batch(4)\n"
    )
    a, b, out = (str(tmp_path / name) for name in ("a.flow", "b.flow", "x.svg"))
    assert main(["run", str(pipeline), "--plain", "--record", a]) == 0
    assert main(["run", str(pipeline), "--plain", "--record", b, "--n", "90", "--watch"]) == 0
    assert "watch at http://127.0.0.1:" in capsys.readouterr().out
    assert main(["watch", a, b, "--text"]) == 0
    assert "b.flow" in capsys.readouterr().out
    assert main(["watch", a, "-o", out]) == 0
    assert Path(out).read_text().startswith("<svg")
    assert main(["watch", a, b, "-o", out]) == 2
    assert main(["watch", a, "--text"]) == 2
    assert main(["run", str(pipeline), "--record", str(tmp_path / "no" / "x.flow")]) == 2
    assert "there is no such folder" in capsys.readouterr().err


@pytest.mark.slow
def test_recordings_are_served_until_ctrl_c(tmp_path: Path) -> None:
    for name in ("a.flow", "b.flow"):
        recorded(three(), tmp_path / name)
    words = [sys.executable, "-m", "flowload", "watch", "a.flow", "b.flow"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(words, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = process.stdout.readline()
        url = told.split()[2].rstrip(";")
        with urllib.request.urlopen(f"{url}graph", timeout=20) as answer:
            graph = json.loads(answer.read())
        assert [run["label"] for run in graph["runs"]] == ["a.flow", "b.flow"]
        assert graph["compared"] is True
        assert "b.flow" in graph["notes"][0]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
