from __future__ import annotations

import signal
import threading
from queue import SimpleQueue

import pytest

from flowload.cli.bell import Bell, on_demand, signals


def test_the_first_word_is_heard_first() -> None:
    bell = Bell()
    bell.ring("one")
    bell.ring("two")
    assert [bell.wait(0), bell.wait(0), bell.wait(0)] == ["one", "two", None]


def test_a_time_that_is_over_is_no_error() -> None:
    assert Bell().wait(-1.0) is None


@pytest.mark.parametrize(("number", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_a_signal_rings(number: signal.Signals, word: str) -> None:
    bell, before = Bell(), signal.getsignal(number)
    with signals(bell):
        signal.raise_signal(number)
        assert bell.wait(5) == word
    assert signal.getsignal(number) is before


def test_the_second_ctrl_c_interrupts_as_ever() -> None:
    bell = Bell()
    with signals(bell):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_another_thread_leaves_signals_alone() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def enter() -> None:
        with signals(Bell()):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this system has no SIGUSR1")
def test_a_signal_asks_for_a_report_in_a_thread_of_its_own() -> None:
    before, names = signal.getsignal(signal.SIGUSR1), SimpleQueue[str]()
    with on_demand(lambda: names.put(threading.current_thread().name)):
        signal.raise_signal(signal.SIGUSR1)
        assert names.get(timeout=20) == "flowload-dump"
    assert signal.getsignal(signal.SIGUSR1) is before
