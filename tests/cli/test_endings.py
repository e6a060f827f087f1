"""Every way in which `flowload run` can end: only what went as asked has status 0 and check marks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Write
from tests.cli.told import told

Capture = pytest.CaptureFixture[str]

HEAD = """
    import asyncio, numpy as np
    from flowload.errors import ClosedRun, DataError

    def rows():
        return fl.rows({"x": np.arange(1000)}) >> fl.batch(10)

    calls = iter(range(1000000))

    def fails(error, at=5):
        def fn(batch):
            if next(calls) == at:
                raise error
            return batch
        return fn
"""


def pipeline(body: str) -> str:
    return f"{HEAD}\n    @fl.pipeline\n    def ending():\n        return {body}\n"


FAILS = {
    "StopAsyncIteration": "rows() >> fl.map(fails(StopAsyncIteration()))",
    "StopIteration": "rows() >> fl.map(fails(StopIteration()))",
    "GeneratorExit": "rows() >> fl.map(fails(GeneratorExit()))",
    "CancelledError": "rows() >> fl.map(fails(asyncio.CancelledError()))",
    "KeyboardInterrupt": "rows() >> fl.map(fails(KeyboardInterrupt()))",
    "SystemExit": "rows() >> fl.map(fails(SystemExit(0)))",
    "ValueError": "rows() >> fl.map(fails(ValueError('x')))",
    "mine": "rows() >> fl.map(fails(ClosedRun('mine')))",
    "EOFError": "rows() >> fl.map(fails(EOFError()))",
    "too many bad inputs": "rows() >> fl.map(fails(OSError()), on_error='skip', max_errors=0)",
}


@pytest.mark.parametrize("error", FAILS)
def test_a_failure_is_one(write: Write, capsys: Capture, error: str) -> None:
    status, out, err = told(capsys, write(pipeline(FAILS[error])))
    assert status == 1
    assert error in err
    assert "in stage 'map', declared at" in err
    assert "✓" not in out
    assert "accounted for" not in out
    assert out.rstrip().endswith("The run failed; what was under way was let go.")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "rows() >> fl.map(lambda batch: 1 / 0, on_error='skip')",
            "dropped 1,000 (ZeroDivisionError: 1,000)",
        ),
        ("rows() >> fl.filter(lambda batch: False)", "dropped 1,000 (filtered: 1,000)"),
        ("fl.source(list)", "nothing came in"),
    ],
)
def test_a_run_that_gives_nothing_went_not_as_asked(
    write: Write, capsys: Capture, tmp_path: Path, body: str, words: str
) -> None:
    sheet = tmp_path / "stats.json"
    status, out, _ = told(capsys, write(pipeline(body)), "--json", str(sheet))
    assert status == 1
    assert "✓" not in out
    assert out.rstrip().endswith(f"The stream ended by itself, but gave nothing: {words}.")
    assert json.loads(sheet.read_text())["run"]["ended"] == "empty"


CLOSES = """
    class Closes:
        def apply(self, block, call):
            return block
        def close(self):
            raise OSError("cannot be closed")

    from dataclasses import dataclass

    @dataclass(frozen=True, kw_only=True)
    class CloseStage(fl.Stage):
        word = "closes"
        accepts = (object,)
        def gives(self, incoming):
            return {"out": object}
        def open(self, setting):
            return [Closes()]
"""


@pytest.mark.parametrize("bounds", [[], ["--batches", "3"]])
def test_what_cannot_be_closed_is_no_good_end(write: Write, capsys: Capture, bounds: list[str]) -> None:
    status, out, err = told(capsys, write(CLOSES + pipeline("rows() >> fl.place(CloseStage())")), *bounds)
    assert status == 1
    assert "✓" not in out
    assert "cannot be closed" in err
    last = out.rstrip().splitlines()[-1]
    assert last == (
        "Stopped after 3 batches, as asked; BUT 1 PART COULD NOT BE CLOSED: see the log."
        if bounds
        else "The run failed; what was under way was let go."
    )


LATE = """
    class Late:
        def __init__(self, batch):
            self.batch = batch
        def __len__(self):
            return len(self.batch["x"])
        nbytes = 8
        def deliver(self):
            if self.batch["x"][0] >= 990:
                raise StopIteration("of the hand-over")
            return self.batch
"""


def test_a_reader_that_fails_at_the_last_batch_is_a_failure(write: Write, capsys: Capture) -> None:
    status, out, err = told(capsys, write(LATE + pipeline("rows() >> fl.map(Late)")))
    assert status == 1
    assert "UserCodeError: " in err or "StopIteration('of the hand-over')" in err
    assert "✓" not in out
    assert out.rstrip().endswith("The run failed; what was under way was let go.")


def test_what_was_not_closed_before_an_end_shows_no_marks(write: Write, capsys: Capture) -> None:
    """As asked: whole, or up to a bound."""
    for bounds, words in (
        ([], "The stream ended by itself; every sample is accounted for."),
        (["--batches", "7"], "Stopped after 7 batches, as asked; what was under way was let go."),
    ):
        status, out, err = told(capsys, write(pipeline("rows() >> fl.map(fails(OSError(), at=-1))")), *bounds)
        assert (status, err) == (0, "")
        assert out.rstrip().endswith(words)
        assert "✓" in out


def test_some_that_are_skipped_are_as_asked(write: Write, capsys: Capture) -> None:
    status, out, _ = told(capsys, write(pipeline("rows() >> fl.map(fails(OSError('x')), on_error='skip')")))
    assert status == 0
    assert "OSError: 10" in out
    assert out.rstrip().endswith("every sample is accounted for.")
