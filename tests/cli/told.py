"""`flowload run` in this process, as a shell sees it."""

from __future__ import annotations

import pytest

from flowload.cli import main

__all__ = ["told"]


def told(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    """Exit status, output, errors."""
    status = main(["run", *argv])
    captured = capsys.readouterr()
    return status, captured.out, captured.err
