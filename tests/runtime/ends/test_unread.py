from __future__ import annotations

import logging
import threading

import pytest

import flowload as fl
from flowload.runtime.faces import blocking as bridge


class Listener(logging.Handler):
    """Keeps what is logged, and says when the first came."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.came = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self.came.set()


def test_a_wait_for_an_output_that_another_unread_one_holds_back_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bridge, "PATIENCE", 0.01)
    listener = Listener()
    logging.getLogger("flowload").addHandler(listener)
    both = fl.source(lambda: range(1000)) >> fl.tee("a", "b")
    taken: list[int] = []
    try:
        with fl.outputs(a=both["a"], b=both["b"]).iterate() as run:
            reader = threading.Thread(target=lambda: taken.extend(run["a"]))
            reader.start()
            assert listener.came.wait(30)
        reader.join(30)
    finally:
        logging.getLogger("flowload").removeHandler(listener)
    assert not reader.is_alive()
    assert len(taken) < 1000
    assert listener.lines == [
        "'a' has waited for 0.01 s while nobody reads 'b': outputs of one run hold each other back;"
        " read them in turn, or in threads"
    ]
