from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from flowload.cli import main

Capture = pytest.CaptureFixture[str]
Write = Callable[..., str]


def told(capsys: Capture, *argv: str) -> tuple[int, str, str]:
    """Exit status, output, errors."""
    status = main(["profile", *argv])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_the_verdict_is_told_and_written(count: str, capsys: Capture, tmp_path: Path) -> None:
    sheet = tmp_path / "profile.json"
    status, out, err = told(capsys, count, "--seconds", "0.2", "--json", str(sheet))
    assert (status, err) == (0, "the whole, for 0.2 s\n")
    assert "\nlimit: " in out
    found = json.loads(sheet.read_text())
    assert found["verdict"]["rate"] > 0
    assert found["run"]["options"] is not None


def test_samples_stop_it(count: str, capsys: Capture) -> None:
    status, out, _ = told(capsys, count, "--seconds", "100", "--samples", "30")
    assert status == 0
    assert "samples in" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seconds", "0"], "'0' is not a number above 0, up to 1e+06"),
        (["--seconds", "inf"], "'inf' is not a number above 0, up to 1e+06"),
        (["--samples", "1.5"], "'1.5' is not a whole number above 0, up to 1e+15"),
        (["--workers", "3"], "no option --workers"),
        (["--json", "/no/such/place.json"], "--json /no/such/place.json: No such file or directory"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    count: str, capsys: Capture, words: list[str], message: str
) -> None:
    status, out, err = told(capsys, count, *words)
    assert (status, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_run_that_fails_is_one_complaint_and_no_sheet(
    write: Write, capsys: Capture, tmp_path: Path
) -> None:
    file = write(
        """
        def fail(batch):
            raise DataError("no good", where="x.tar")

        @fl.pipeline
        def failing():
            return fl.source(batches(3, 4)) >> fl.map(fail, workers=1)
        """
    )
    sheet = tmp_path / "profile.json"
    status, out, err = told(capsys, file, "--seconds", "1", "--json", str(sheet))
    assert (status, out) == (1, "")
    assert "flowload: " in err
    assert "no good" in err
    assert not sheet.exists()
