"""What a state remembers of values and of user code: the same everywhere, another for another stream."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowload.runtime.world.remember import PLACE, remember, settled


def word(value: object) -> Any:
    found = settled(remember(value))
    assert json.loads(json.dumps(found)) == found
    return found


SCALE = 2.0
TABLE = np.arange(5)
SEEN: list[int] = []
seen: list[int] = []


def scaled(batch: Any) -> Any:
    """Some words."""
    seen.append(1)
    return batch * SCALE + TABLE[0]


def closed(value: object) -> Callable[[], object]:
    return lambda: value


def with_default(value: object) -> Callable[[], object]:
    def fn(x: object = value, *, y: object = value) -> object:
        return x, y

    return fn


class Adds:
    def __init__(self, k: object) -> None:
        self.k = k
        self._lock = threading.Lock()

    def __call__(self, batch: Any) -> Any:
        return batch + self.k

    def method(self, batch: Any) -> Any:
        return batch - self.k

    @functools.cached_property
    def shape(self) -> int:
        return 7


@dataclass
class Named:
    path: str
    size: int = 1


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


HOLDERS = [
    closed,
    with_default,
    Adds,
    Slotted,
    lambda value: Adds(value).method,
    lambda value: functools.partial(closed, value),
    lambda value: functools.partial(closed, value=value),
    lambda value: closed(closed(value)),
    lambda value: [{"a": (value,)}],
]
VALUES: list[tuple[object, object]] = [
    (0, 9),
    (1.5, 1.25),
    ("a", "b"),
    (b"a", b"b"),
    (np.arange(3), np.arange(3) * 2),
    ([1, 2], [1, 3]),
    (list(range(1000)), list(range(1001))),
    ({"a": 1}, {"a": 2}),
    ({1, 2}, {1, 3}),
    ("x" * 2000, "x" * 1999 + "y"),
    (np.float32(1), np.float32(2)),
]


@pytest.mark.parametrize("holder", HOLDERS, ids=range(len(HOLDERS)))
@pytest.mark.parametrize("values", VALUES, ids=range(len(VALUES)))
def test_what_code_takes_along_tells_it_from_other(
    holder: Callable[[object], object], values: tuple[object, object]
) -> None:
    first, second = values
    assert word(holder(first)) == word(holder(first))
    assert word(holder(first)) != word(holder(second))


def compiled(text: str, **names: object) -> Any:
    scope: dict[str, Any] = {"__name__": "users", **names}
    exec(text, scope)
    return scope["fn"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("def fn(x): return x + 1", "def fn(x): return x + 2", False),
        ("def fn(x): return x + 1", "def fn(x): return x - 1", False),
        ("def fn(x): return x.a", "def fn(x): return x.b", False),
        ("def fn(x): return [y + 1 for y in x]", "def fn(x): return [y + 2 for y in x]", False),
        ("def fn(x): return x in {'a', 'b'}", "def fn(x): return x in {'b', 'a'}", True),
        ("def fn(x): return x + 1", "\n\ndef fn(x):\n    # a word\n    return x + 1", True),
        ("def fn(x):\n  'words'\n  return x", "def fn(x):\n  'others'\n  return x", True),
        ("fn = lambda x: 'a'", "fn = lambda x: 'b'", False),
        ("k = 1\ndef fn(x): return x + k", "k = 2\ndef fn(x): return x + k", False),
        ("K = [1]\ndef fn(x): return K", "K = [2]\ndef fn(x): return K", False),
        ("k = [1]\ndef fn(x): return k", "k = [2]\ndef fn(x): return k", True),
        ("def g(): return 1\ndef fn(x): return g()", "def g(): return 2\ndef fn(x): return g()", False),
        ("class fn:\n  def push(self): return 1", "class fn:\n  def push(self): return 2", False),
    ],
)
def test_code_is_what_it_does(one: str, other: str, same: bool) -> None:
    assert (word(compiled(one)) == word(compiled(other))) is same


def test_what_a_run_changes_on_the_way_is_not_remembered() -> None:
    before, adds = word(scaled), Adds(3)
    word_of_it = word(adds)
    scaled(np.zeros(1))
    assert adds.shape == 7
    assert word(scaled) == before
    assert word(adds) == word_of_it


def test_where_things_lie_is_not_remembered(tmp_path: Path) -> None:
    assert word(tmp_path) == word(str(tmp_path)) == word("s3://bucket/a") == PLACE
    assert word(Named("x")) == word(Named("y")) != word(Named("y", 2))
    assert word(closed(str(tmp_path))) == word(closed("/elsewhere"))
    assert word("relative/name") == "relative/name"


def test_a_circle_and_a_crowd_have_an_end() -> None:
    circle: list[Any] = []
    circle.append(circle)
    assert word(circle) == ["list"]
    assert word([[number, [number]] for number in range(100_000)])


@pytest.mark.slow
def test_it_is_the_same_in_every_process() -> None:
    told = (
        "import json; from tests.runtime.world.test_remember import *;"
        "print(json.dumps([word(v) for v in (scaled, Adds(3), closed({'b', 'a'}), Adds)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, env=env("1")
    )
    assert json.loads(done.stdout) == [word(v) for v in (scaled, Adds(3), closed({"b", "a"}), Adds)]


def env(seed: str) -> dict[str, str]:
    root = str(Path(__file__).parents[3])
    return {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": root}
