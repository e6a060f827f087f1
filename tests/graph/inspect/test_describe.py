"""Rows are plain, whole, and all that pictures need."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from flowload.graph import outputs
from tests.graph.drawings import Program, head, mapped, merge, source, split
from tests.graph.strategies import programs


def test_rows_say_everything() -> None:
    parts = head() >> split("train", "valid")
    graph = outputs(train=parts["train"] >> mapped(1, workers=2), valid=parts["valid"])
    rows = graph.describe()
    assert [row["name"] for row in rows] == ["source", "map", "split", "map_2"]
    assert rows[0] == {
        "name": "source",
        "word": "source",
        "parameters": {},
        "inputs": [],
        "outputs": [{"port": "out", "type": "Apples", "reader": "map", "end": None}],
        "workers": None,
        "where": rows[0]["where"],
    }
    assert rows[2]["parameters"] == {"ports": ["train", "valid"]}
    assert rows[2]["outputs"] == [
        {"port": "train", "type": "Apples", "reader": "map_2", "end": None},
        {"port": "valid", "type": "Apples", "reader": None, "end": "valid"},
    ]
    assert rows[3]["inputs"] == [{"node": "split", "port": "train", "type": "Apples"}]
    assert rows[3]["workers"] == 2
    assert rows[3]["parameters"] == {"workers": 2, "mark": 1}


def test_open_inputs_and_unread_outputs_show() -> None:
    row = mapped().describe()[0]
    assert row["inputs"] == [{"node": None, "port": None, "type": "Apples"}]
    row = split("a", "b")["a"].describe()[0]
    assert row["inputs"] == [{"node": None, "port": None, "type": "anything"}]
    assert row["outputs"][1] == {"port": "b", "type": "anything", "reader": None, "end": None}


def test_functions_are_told_apart_without_their_addresses() -> None:
    one = source() >> mapped(function=len)
    assert one == source() >> mapped(function=len)
    assert one != source() >> mapped(function=sorted)
    assert "0x" not in one.signature


@given(programs)
def test_json_holds_every_description(program: Program) -> None:
    rows = program.draw(source())[0].describe()
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


@pytest.mark.slow
@given(programs)
def test_the_signature_leaves_out_the_lines_alone(program: Program) -> None:
    graph = program.draw(source())[0]
    told = json.loads(graph.signature)
    rows = graph.describe()
    assert [{**row, "where": old["where"]} for row, old in zip(told, rows, strict=True)] == rows


def test_several_inputs_keep_their_order() -> None:
    graph = [source(1), source(2) >> mapped()] >> merge()
    assert [inlet["node"] for inlet in graph.describe()[-1]["inputs"]] == ["source", "map"]
