"""The plan: neighbours nearest first, readers, settings."""

from __future__ import annotations

from hypothesis import given

from flowload.abc.operators import Setting
from tests.graph.drawings import Program, Source, head, mapped, merge, source, split
from tests.graph.strategies import programs


def marks(stages: tuple[object, ...]) -> list[int]:
    return [getattr(stage, "mark", -1) for stage in stages]


def test_neighbours_are_told_nearest_first() -> None:
    parts = source(1) >> mapped(2) >> split("a", "b", mark=3)
    graph = [parts["a"] >> mapped(4) >> mapped(5), parts["b"] >> mapped(6)] >> merge(7)
    plan = graph.plan
    assert marks(plan["merge"].upstream) == [5, 6, 4, 3, 2, 1]
    assert marks(plan["source"].downstream) == [2, 3, 4, 6, 5, 7]
    assert marks(plan["split"].upstream) == [2, 1]
    assert plan["merge"].downstream == ()


def test_a_setting_tells_a_stage_its_place() -> None:
    placed = head().plan["map"]
    setting = placed.setting(Setting(seed=5, epochs=None, cpus=3))
    assert (setting.seed, setting.epochs, setting.cpus) == (5, None, 3)
    assert setting.upstream == (Source(),)
    assert placed.setting().downstream == ()


@given(programs)
def test_every_port_is_read_once_or_is_an_end(program: Program) -> None:
    plan = program.draw(source())[0].plan
    ports = [(placed.name, port) for placed in plan.nodes for port in placed.outputs]
    readers = plan.readers()
    ends = [(end.node, end.port) for end in plan.ends]
    assert sorted([*readers, *ends]) == sorted(ports)
    for origin, reader in readers.items():
        assert origin in plan[reader].inputs


@given(programs)
def test_upstream_and_downstream_mirror_each_other(program: Program) -> None:
    nodes = program.draw(source())[0].nodes()
    for one in nodes:
        for other in nodes:
            assert (one.stage in other.upstream) == (other.stage in one.downstream)
