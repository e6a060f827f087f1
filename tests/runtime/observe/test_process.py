"""What the process took of the machine."""

from __future__ import annotations

from pathlib import Path
from time import process_time

from flowload.runtime.observe.process import ProcessStats


def spin(seconds: float) -> None:
    until = process_time() + seconds
    while process_time() < until:
        pass


def test_cpu_time_and_bytes_since_then_and_no_further_than_the_end(tmp_path: Path) -> None:
    io = tmp_path / "io"
    io.write_text("rchar: 9\nread_bytes: 100\nwrite_bytes: 5\n")
    process = ProcessStats(io)
    spin(0.02)
    io.write_text("rchar: 9\nread_bytes: 150\nwrite_bytes: 5\n")
    cpu, read = process.taken()
    assert cpu >= 0.02
    assert read == 50
    process.stop()
    last = process.taken()
    spin(0.01)
    assert process.taken() == last


def test_a_system_that_does_not_say(tmp_path: Path) -> None:
    assert ProcessStats(tmp_path / "nothing").taken()[1] == 0
