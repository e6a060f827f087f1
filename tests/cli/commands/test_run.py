from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.told import told

Write = Callable[..., str]
Capture = pytest.CaptureFixture[str]

FAILING = """
def fail(batch):
    raise {error}

@fl.pipeline
def failing(*, number: int = 3):
    return fl.source(batches(number, 4)) >> fl.map(fail, workers=1)
"""


def test_a_run_ends_with_the_table_the_ledger_and_status_0(count: str, capsys: Capture) -> None:
    status, out, err = told(capsys, count)
    assert (status, err) == (0, "")
    table, _, ledger = out.partition("ledger")
    assert [line.split()[:3] for line in table.splitlines()[:3]] == [
        ["stage", "in", "out"],
        ["source", "20", "20"],
        ["map", "20", "20"],
    ]
    assert "5 batches, 20 samples in" in table
    assert ledger.count("✓") == 2
    assert out.endswith("The stream ended by itself; every sample is accounted for.\n")


def test_options_of_the_file_reach_it(count: str, capsys: Capture) -> None:
    assert "7 batches, 14 samples" in told(capsys, count, "--number", "7", "--size=2")[1]


@pytest.mark.parametrize(
    ("bounds", "batches", "closing"),
    [
        (["--epochs", "3"], 15, "The stream ended by itself"),
        (["--batches", "2"], 2, "Stopped after 2 batches, as asked"),
        (["--batches", "12", "--epochs", "inf"], 12, "Stopped after 12 batches, as asked"),
        (["--batches", "12"], 5, "The stream ended by itself"),
        (["--seconds", "inf", "--batches", "inf"], 5, "The stream ended by itself"),
        (["--seconds", "100"], 5, "The stream ended by itself"),
    ],
)
def test_bounds_stop_it_cleanly(
    count: str, capsys: Capture, bounds: list[str], batches: int, closing: str
) -> None:
    status, out, err = told(capsys, count, *bounds)
    assert (status, err) == (0, "")
    assert f"\n{batches} batches, " in out
    assert closing in out


def test_the_time_is_a_bound(count: str, capsys: Capture) -> None:
    status, out, _ = told(capsys, count, "--epochs", "inf", "--seconds", "0.1")
    assert status == 0
    assert "Stopped after 0.1 s, as asked; what was under way was let go." in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--batches", "0"], "Invalid value for '--batches': '0' is not a whole number above 0, nor inf"),
        (["--epochs", "0"], "Invalid value for '--epochs': '0' is not a whole number above 0"),
        (["--epochs", "many"], "'many' is not a whole number"),
        (["--batches", "1.5"], "'1.5' is not a whole number"),
        (["--seconds", "0"], "Invalid value for '--seconds': '0' is not a number above 0"),
        (["--seconds", "nan"], "'nan' is not a number above 0"),
        (["--seed", "-1"], "seed is -1; wanted a whole number from 0"),
        (["--seed", "x"], "Invalid value for '--seed'"),
        (["--number", "x"], "number is 'x'; wanted an int"),
        (["--layout", "z"], "layout is 'z'; wanted 'a' or 'b'"),
        (["--numbers", "3"], "no option --numbers (did you mean --number?)"),
        (["again.py"], "unexpected extra argument"),
        (["--json", "no/such/folder/x.json"], "--json no/such/folder/x.json: No such file or directory"),
        (["--json", "."], "--json .: Is a directory"),
    ],
)
def test_a_mistake_in_the_asking_is_one_clear_line_and_status_2(
    count: str, capsys: Capture, words: list[str], message: str
) -> None:
    status, out, err = told(capsys, count, *words)
    assert (status, out) == (2, "")
    assert err.startswith("flowload: ")
    assert message in err
    assert err.count("\n") == 1


def test_an_unknown_file_is_status_2(tmp_path: Path, capsys: Capture) -> None:
    status, out, err = told(capsys, str(tmp_path / "nothing.py"))
    assert (status, out) == (2, "")
    assert err == f"flowload: no pipeline file {tmp_path}/nothing.py: No such file or directory\n"


def test_a_graph_that_cannot_be_run_is_status_2(write: Write, capsys: Capture) -> None:
    path = write("@fl.pipeline\ndef draw():\n    return fl.map(dict)\n")
    status, out, err = told(capsys, path)
    assert (status, out) == (2, "")
    assert "nothing flows into 'map'" in err


def test_no_data_is_status_2_and_leaves_no_table(write: Write, capsys: Capture, tmp_path: Path) -> None:
    body = FAILING.format(error="NoDataError('no files', where='here', found='nothing')")
    status, out, err = told(capsys, write(body), "--json", str(tmp_path / "x.json"))
    assert (status, out) == (2, "")
    assert err == "flowload: here: no files; found nothing\n"
    assert not (tmp_path / "x.json").exists()


def test_bad_data_is_status_1_told_with_its_stage_after_the_table(write: Write, capsys: Capture) -> None:
    body = FAILING.format(error="DataError('bad', where='a.tar: b.gz', found='x', wanted='y')")
    status, out, err = told(capsys, write(body))
    assert status == 1
    assert out.startswith("stage")
    assert "The run failed" in out
    first, second, *_ = err.splitlines()
    assert first == "flowload: a.tar: b.gz: bad; found x; wanted y"
    assert "map" in second
    assert "Traceback" not in err


def test_an_error_of_the_users_own_is_status_1(write: Write, capsys: Capture) -> None:
    status, _, err = told(capsys, write(FAILING.format(error="KeyError('x')")))
    assert status == 1
    assert err.startswith("flowload: KeyError: 'x'\n")
    assert "Traceback" not in err


def test_v_shows_the_traceback(write: Write, capsys: Capture) -> None:
    _, _, err = told(capsys, write(FAILING.format(error="KeyError('x')")), "-v")
    assert "Traceback" in err
    assert "in fail" in err


def test_a_file_that_fails_while_it_draws_is_told(write: Write, capsys: Capture) -> None:
    path = write("x = 1 / 0\n")
    status, _, err = told(capsys, path)
    assert status == 1
    first, note, line, hint = err.splitlines()
    assert first == "flowload: ZeroDivisionError: division by zero"
    assert note == f"  in the pipeline file {path}"
    assert line.startswith(f"  at {path}:")
    assert line.endswith(": x = 1 / 0")
    assert hint == "  -v shows the traceback"
    assert "Traceback" in told(capsys, path, "-v")[2]


def test_several_outputs_are_all_read_and_shown(write: Write, capsys: Capture) -> None:
    body = """
    @fl.pipeline
    def both():
        return fl.source(batches(5, 4)) >> fl.tee("train", "valid")
    """
    status, out, _ = told(capsys, write(body))
    assert status == 0
    assert "train 5, valid 5 batches" in out


def test_json_holds_the_statistics_and_what_was_run(count: str, capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "stats.json"
    status, _, _ = told(capsys, count, "--json", str(path), "--size", "2", "--seed", "7", "--epochs", "2")
    assert status == 0
    content = json.loads(path.read_text())
    assert content["finished"] is True
    assert content["delivered"] == 20
    assert content["stages"]["map"]["in"] == content["stages"]["map"]["out"] == 20
    run = content["run"]
    assert run["options"] == {"number": 5, "size": 2, "shuffle": True, "layout": "a"}
    assert (run["file"], run["pipeline"], run["seed"], run["epochs"]) == (count, "count", 7, 2)
    assert (run["ended"], run["error"], run["outputs"]) == ("finished", None, {"out": 10})
    assert run["versions"]["python"]


def test_json_of_a_run_that_failed_says_why(write: Write, capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "stats.json"
    told(capsys, write(FAILING.format(error="KeyError('x')")), "--json", str(path))
    run = json.loads(path.read_text())["run"]
    assert run["ended"] == "failed"
    assert run["error"].startswith("flowload: KeyError: 'x'")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_it_with_the_table_so_far(
    write: Write, capsys: Capture, number: signal.Signals, status: int
) -> None:
    body = f"""
    import os, anyio
    async def wait():
        yield 1
        os.kill(os.getpid(), {int(number)})
        await anyio.sleep_forever()

    @fl.pipeline
    def waiting():
        return fl.source(wait)
    """
    got, out, err = told(capsys, write(body))
    assert (got, err) == (status, "")
    assert "The run was " in out
    assert out.startswith("stage")


def test_logging_is_quiet_until_asked_for(write: Write, capsys: Capture) -> None:
    body = """
    import logging

    @fl.pipeline
    def talking():
        logging.getLogger("flowload.talk").info("hello")
        logging.getLogger("flowload.talk").warning("careful")
        return fl.source(batches(1, 1))
    """
    path = write(body)
    assert told(capsys, path)[2].endswith("WARNING flowload.talk: careful\n")
    err = told(capsys, path, "-v")[2]
    assert "INFO flowload.talk: hello" in err
    assert os.sep in path


def test_seeds_reach_the_run(count: str, capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    told(capsys, count, "--seed", str(2**64 - 1), "--json", str(path))
    assert json.loads(path.read_text())["seed"] == 2**64 - 1


def test_passes_reach_the_run(count: str, capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    told(capsys, count, "--first-epoch", "3", "--epochs", "2", "--json", str(path))
    stats = json.loads(path.read_text())
    assert (stats["first_epoch"], stats["epochs"]) == (3, 2)
    status, _, err = told(capsys, count, "--first-epoch", "-1")
    assert status == 2
    assert "first_epoch is -1; wanted a whole number from 0" in err


CUT = """
@fl.pipeline
def cut():
    return fl.rows(10) >> fl.batch(4)
"""


@pytest.mark.parametrize(("words", "batches"), [((), 5), (("--align",), 6)])
def test_passes_can_be_kept_apart(
    words: tuple[str, ...], batches: int, write: Write, capsys: Capture, tmp_path: Path
) -> None:
    path = tmp_path / "x.json"
    told(capsys, write(CUT), "--epochs", "2", "--json", str(path), *words)
    assert json.loads(path.read_text())["blocks_delivered"] == batches


STALLING = """
import sys, time

def slow(batch):
    while "in slow" not in sys.stderr.getvalue():  # pytest's: what the command has told so far
        time.sleep(0)
    return batch

@fl.pipeline
def stalling(*, number: int = 1):
    return fl.source(batches(number, 4)) >> fl.map(slow, workers=1)
"""


def test_a_stall_is_told_on_stderr(write: Write, capsys: Capture) -> None:
    status, out, err = told(capsys, write(STALLING), "--stall", "0.05")
    assert status == 0
    assert "no progress, or asked by signal: " in err
    assert "in slow" in err
    assert "no progress" not in out


def test_a_trace_is_written_where_it_is_wanted(count: str, capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    assert told(capsys, count, "--trace", str(path))[0] == 0
    events = json.loads(path.read_text())["traceEvents"]
    assert {"source", "map"} <= {event["name"] for event in events}
    status, _, err = told(capsys, count, "--trace", str(tmp_path / "no" / "trace.json"))
    assert status == 2
    assert "--trace" in err


UNEVEN = """
@fl.pipeline
def uneven():
    rows = fl.rows(100) >> fl.shard(0, world=2) >> fl.batch(5)
    return rows >> fl.filter(lambda batch: batch["index"] % 3 > 0)
"""


def test_ranks_that_may_end_in_different_steps_are_refused_or_allowed(write: Write, capsys: Capture) -> None:
    file = write(UNEVEN)
    status, _, err = told(capsys, file)
    assert status == 2
    assert "'filter' is behind shard()" in err
    status, out, _ = told(capsys, file, "--even", "allow")
    assert status == 0
    assert "equal_ranks" not in out
