"""The word `discover` and its declarations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flowload.abc.operators import Setting
from flowload.blocks import Files
from flowload.errors import GraphError
from flowload.stages.files.discover import DiscoverStage, WatchStage, discover, wanted_suffixes
from flowload.stages.files.list_source import ListSource
from flowload.stages.files.watch_source import WatchSource
from flowload.testing import check_resume, check_stage
from tests.stages.toy import TOY


@dataclass
class Neighbour:
    format: Any = None


def setting(downstream: Sequence[Any] = ()) -> Setting:
    return Setting(seed=0, epochs=1, cpus=1, downstream=tuple(downstream))


@pytest.mark.parametrize(
    ("patterns", "texts"),
    [
        ("a/*.tar", ("a/*.tar",)),
        (Path("a"), ("a",)),
        (["a", Path("b")], ("a", "b")),
        (iter(["a", "b"]), ("a", "b")),
    ],
)
def test_one_or_several_patterns(patterns: Any, texts: tuple[str, ...]) -> None:
    (node,) = discover(patterns).nodes()
    assert node.stage == DiscoverStage(patterns=texts)
    assert node.carries == (Files,)


def test_watching_is_a_stage_that_grows() -> None:
    (still,) = discover("data").nodes()
    (growing,) = discover("data", watch=True, settle=1.0).nodes()
    assert not still.stage.growing
    assert growing.stage.growing
    assert growing.stage == WatchStage(patterns=("data",), settle=1.0)
    assert growing.stage.word == "discover"


@pytest.mark.slow
def test_the_exam(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"{number}.tar").touch()
    assert sum(map(len, check_stage(discover(tmp_path), epochs=2))) == 400
    assert check_resume(discover(tmp_path), epochs=2) > 100


def test_what_is_opened() -> None:
    (listing,) = DiscoverStage(patterns=("data",)).open(setting())
    (watching,) = WatchStage(patterns=("data",)).open(setting([Neighbour(TOY)]))
    assert isinstance(listing, ListSource)
    assert isinstance(watching, WatchSource)
    assert watching.suffixes == (".toy",)


def test_endings_are_those_of_the_nearest_format() -> None:
    assert wanted_suffixes(setting()) == ()
    assert wanted_suffixes(setting([object(), Neighbour(), Neighbour(TOY)])) == (".toy",)


@pytest.mark.parametrize("patterns", [[], "", "a\0b", ["a", ""]])
def test_patterns_that_say_nothing(patterns: Any) -> None:
    with pytest.raises(GraphError, match="discover"):
        discover(patterns)


@pytest.mark.parametrize("patterns", [None, 3, b"data", ["a", None], [b"a"]])
def test_what_is_no_pattern(patterns: Any) -> None:
    with pytest.raises(GraphError, match="is not a pattern, a folder or a file"):
        discover(patterns)


@pytest.mark.parametrize("bad", [{"settle": -1.0}, {"rescan": 0.0}, {"settle": float("nan")}])
def test_times_that_cannot_be(bad: dict[str, Any]) -> None:
    with pytest.raises(GraphError, match=next(iter(bad))):
        discover("data", watch=True, **bad)


def test_parameters_show_what_was_said() -> None:
    assert WatchStage(patterns=("data",)).parameters() == {"patterns": ("data",)}
