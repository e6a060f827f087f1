"""What must hold before a run is said in full when it does not."""

from __future__ import annotations

import pytest

from flowload.errors import GraphError
from tests.graph.drawings import head, mapped, merge, source, split


def test_an_output_that_nobody_reads_is_named() -> None:
    parts = head() >> split("train", "valid")
    with pytest.raises(GraphError, match=r"^nobody reads 'split\.valid'; join it or end it with \.drop\(\) "):
        (parts["train"] >> mapped()).check()
    parts.check()


def test_an_open_input_is_named() -> None:
    with pytest.raises(
        GraphError, match=r"^nothing flows into 'map'; join a source .* declared at .*:\d+\)$"
    ):
        (mapped() >> mapped()).check()


def test_a_merge_of_nothing_waits_for_input() -> None:
    with pytest.raises(GraphError, match="nothing flows into 'merge'"):
        merge().check()


def test_a_graph_without_outputs_cannot_be_read() -> None:
    with pytest.raises(GraphError, match="nothing comes out of this graph: every output is dropped"):
        source().drop().check()


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(GraphError) as caught:
        (mapped() >> split("a", "b", "c"))["a"].check()
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert "'map'" in lines[0]
    assert "'split.b'" in lines[1]
    assert "'split.c'" in lines[2]


def test_a_good_graph_passes() -> None:
    head().check()
