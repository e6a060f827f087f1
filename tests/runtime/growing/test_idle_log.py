"""When folds were idle is noted, and happens again in that order."""

from __future__ import annotations

import json

from flowload.runtime.growing.idle_log import IdleLog

Event = str | int


def written(events: str) -> IdleLog:
    """A log of messages ("m") and idle times that gave something ("i")."""
    log = IdleLog()
    for event in events:
        if event == "m":
            log.feed(1)
        else:
            log.gave()
    return log


def replayed(log: IdleLog, arrivals: str) -> str:
    """What a task does: at each turn up to two messages wait ("2", "1", "0"), and it is idle where it may."""
    done = ""
    for waiting in map(int, arrivals):
        if taken := log.most(min(2, waiting)):
            log.feed(taken)
            done += "m" * taken
        elif log.due:
            log.begun()
            log.gave()
            done += "i"
        elif not waiting and log.free:
            log.gave()
            done += "i"
    return done


def test_it_says_the_same_again_whatever_waits() -> None:
    told = "mmiimimmm"
    saved = json.loads(json.dumps(written(told).state()))
    assert saved == {"fed": 6, "idled": [[2, 2], [3, 1]]}
    for arrivals in ("222222222", "111111111", "0" * 20 + "1010101010101010", "020202020202"):
        log = IdleLog()
        log.replay(saved)
        assert replayed(log, arrivals).startswith(told), arrivals


def test_behind_what_is_known_it_is_free() -> None:
    log = IdleLog()
    log.replay(written("mim").state())
    assert replayed(log, "1" + "0" * 5) == "mi"  # it waits for the other message
    assert replayed(log, "1" + "0" * 3) == "miii"
    assert log.state() == {"fed": 2, "idled": [[1, 1], [2, 3]]}


def test_from_the_middle_it_goes_on_there() -> None:
    told = "mmiiimimmi"
    whole = written(told).state()
    for place in range(len(told) + 1):
        log = IdleLog()
        log.replay(whole)
        log.restore(json.loads(json.dumps(written(told[:place]).place())))
        assert log.state() == whole, "also where it is left before anything was done again"
        assert replayed(log, "1" * (len(told) - place)) == told[place:]
        assert log.state() == whole
    assert written("mmim").place(ahead=1) == written("mmi").place()
