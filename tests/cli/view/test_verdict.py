"""Verdicts as they are read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flowload.cli.view.verdict import as_json, brief, told
from flowload.observe.figures import duration_of
from flowload.observe.stations import Station
from flowload.observe.verdict import Limit, Verdict

UNPACK = Limit("stage", "unpack", "unpack", 2, 0.97, 41.2e-6, 1.0, 48_500)


def verdict(limit: Limit = UNPACK, **fields: Any) -> Verdict:
    then = Limit("consumer", "the consumer", "the consumer", 1, 0.9, 1e-5, 1.0, 80_000)
    made = Verdict(47_000, limit, 1.65, then, "high", "the limit is used for 97 % of its time", ())
    return made._replace(**fields)


def test_a_verdict_is_three_lines() -> None:
    assert told(verdict()) == [
        "limit: 'unpack' (2 workers, 41.2 us a sample), used 97 %",
        "  2 x faster, the whole would gain +65 % (47.0 k/s to 77.5 k/s); then the consumer limits",
        "  confidence high: the limit is used for 97 % of its time",
    ]


def test_a_verdict_is_one_line_in_pictures() -> None:
    line = "'unpack' limits (97 % used); 2 x faster: +65 % (47.0 k/s to 77.5 k/s) (confidence high)"
    assert brief(verdict()) == line


def test_without_a_batch_there_is_none() -> None:
    assert told(None) == ["limit: unknown; nothing was delivered yet"]
    assert brief(None) == "nothing was delivered yet"
    assert as_json(None) is None


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("disk", "read", "the disk: 'read' (2 workers, 41.2 us a sample) waits for it"),
        ("cpu", "2 CPUs", "the 2 CPUs (41.2 us a sample); 60 % of that is 'read'"),
        ("executor", "io", "the io executor (2 threads, 41.2 us a sample); 60 % of that is 'read'"),
        ("loop", "the event loop", "the event loop (41.2 us a sample): make blocks larger"),
        ("consumer", "the consumer", "the consumer (41.2 us a sample)"),
    ],
)
def test_every_kind_of_limit_has_its_words(kind: str, name: str, words: str) -> None:
    limit = UNPACK._replace(kind=kind, name=name, who="read", part=0.6)  # type: ignore[arg-type]
    assert told(verdict(limit))[0] == f"limit: {words}, used 97 %"


def test_as_json_is_plain() -> None:
    made = verdict(stations=(Station("stage", "unpack", 2, {"unpack": 41.2e-6}, 0.1),))
    plain = as_json(made)
    assert plain is not None
    assert json.loads(json.dumps(plain)) == {**plain, "stations": [{**plain["stations"][0]}]}
    assert plain["limit"]["who"] == "unpack"
    assert plain["stations"][0]["bound"] == 2 / 41.2e-6


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2.0, "2.00 s"), (0.0412, "41.2 ms"), (0.000123, "123 us"), (9.999e-4, "1.00 ms"), (5e-9, "5 ns")],
)
def test_short_times_have_three_digits(seconds: float, text: str) -> None:
    assert duration_of(seconds) == text
