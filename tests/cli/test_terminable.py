from __future__ import annotations

import os
import signal
import threading

import pytest

from flowload.cli.terminable import terminable


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_block_as_an_error_does(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    left: list[str] = []

    def work() -> None:
        with terminable():
            try:
                os.kill(os.getpid(), number)
                threading.Event().wait(60)
            finally:
                os.kill(os.getpid(), number)  # while things are put right, another one is not heard
                left.append("done")

    with pytest.raises(SystemExit) as caught:
        work()
    assert caught.value.code == 128 + number
    assert left == ["done"]
    assert signal.getsignal(number) is before


def test_what_was_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with terminable():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_signals_are_left_alone() -> None:
    seen: list[object] = []

    def work() -> None:
        with terminable():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]
