"""The trace file, checked against the schema of the Trace Event Format."""

from __future__ import annotations

import gc
import json
from typing import Any

from flowload.observe.trace import Line, Trace, Track

ONE, TWO = Track("threads", "kernel-0"), Track("stages", "unpack in kernel-0")


def check_schema(made: dict[str, Any]) -> list[dict[str, Any]]:
    """What a viewer relies on; the slices."""
    made = json.loads(json.dumps(made))
    names: dict[tuple[int, int], str] = {}
    slices = []
    for event in made["traceEvents"]:
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "thread_name")
            names[event["pid"], event["tid"]] = event["args"]["name"]
        else:
            assert event["ph"] == "X"
            assert event["ts"] >= 0
            assert event["dur"] >= 0
            assert (event["pid"], 0) in names
            assert (event["pid"], event["tid"]) in names
            slices.append({**event, "track": names[event["pid"], event["tid"]]})
    return slices


def test_slices_have_named_tracks_and_microseconds_since_the_first() -> None:
    trace = Trace()
    trace.adder(Line(TWO, "unpack"))(10.002, 10.003, first=7, count=1)
    trace.adder(Line(ONE, "unpack > batch"))(10.0, 10.005, waited=3e-6)
    first, second = check_schema(trace.as_json())
    assert (first["name"], first["ts"], first["dur"], first["track"]) == (
        "unpack > batch",
        0,
        5000,
        "kernel-0",
    )
    assert first["args"] == {"waited_us": 3.0}
    assert (second["ts"], second["dur"], second["args"]) == (2000, 1000, {"blocks": "7"})
    assert first["pid"] != second["pid"]


def test_parts_lie_in_their_whole_one_behind_the_other() -> None:
    trace = Trace()
    add = trace.adder(Line(ONE, "unpack > batch", ((TWO, "unpack"), (ONE, "none"), (TWO, "batch"))))
    add(1.0, 4.0, first=7, count=2, took=[2.0, 0.0, 1.5])
    whole, *parts = trace.slices
    assert (whole.track, whole.blocks, whole.began, whole.ended) == (ONE, (7, 8), 1.0, 4.0)
    assert [(each.track, each.name, each.began, each.ended) for each in parts] == [
        (TWO, "unpack", 1.0, 3.0),
        (TWO, "batch", 3.0, 4.0),  # clocks differ: it ends with the whole
    ]
    assert all(each.blocks == (7, 8) for each in parts)


def test_the_collector_has_nothing_to_look_at_in_what_is_kept() -> None:
    trace = Trace()
    trace.adder(Line(ONE, "unpack"))(1.0, 2.0, waited=0.5, first=1, count=2, took=[0.25])
    gc.collect()
    assert not gc.is_tracked(trace._slices[0])


def test_memory_is_bounded_and_what_went_is_told() -> None:
    trace = Trace(most=10)
    for number in range(25):
        trace.adder(Line(ONE, str(number)))(number, number + 0.5)
    made = trace.as_json()
    assert [each["name"] for each in check_schema(made)] == [str(number) for number in range(15, 25)]
    assert made["otherData"] == {"slices": 10, "older slices that were let go": 15}


def test_nothing_is_a_trace_as_well() -> None:
    assert check_schema(Trace().as_json()) == []
