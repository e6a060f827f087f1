"""A misspelt keyword of any word is answered with the nearest that it has."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from typing import Any

import pytest

import flowload as fl
from flowload.errors import GraphError
from flowload.graph.keywords import names_keywords
from tests.graph.drawings import source


def keywords_of(word: Callable[..., Any]) -> list[str] | None:
    """Those that a function takes by name; None: any, for they are names that the user gives."""
    parameters = inspect.signature(word).parameters.values()
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return None
    return [each.name for each in parameters if each.kind in (each.KEYWORD_ONLY, each.POSITIONAL_OR_KEYWORD)]


FUNCTIONS = {name: getattr(fl, name) for name in fl.__all__ if inspect.isfunction(getattr(fl, name))}
del FUNCTIONS["pipeline"]  # a decorator, which nobody calls with keywords
METHODS = {name: getattr(source(), name) for name in ("iterate", "stream", "as_torch_dataset", "peek")}
WORDS = {
    name: (word, known) for name, word in {**FUNCTIONS, **METHODS}.items() if (known := keywords_of(word))
}


def test_the_words_are_there() -> None:
    assert {"batch", "map", "read", "rows", "iterate"} <= set(WORDS)
    assert {"outputs", "split", "load"}.isdisjoint(WORDS)


@pytest.mark.parametrize("name", WORDS)
def test_a_word_names_the_keyword_that_is_nearest(name: str) -> None:
    word, known = WORDS[name]
    with pytest.raises(TypeError) as caught:
        word(**{f"{known[-1]}x": 1})
    hint = f"did you mean {known[-1]!r}? It takes {', '.join(known)}"
    assert str(caught.value) == f"{name}() has no argument '{known[-1]}x'; {hint}"
    assert caught.value.__suppress_context__


def test_where_none_is_near_those_that_there_are_are_named() -> None:
    with pytest.raises(TypeError, match=r"^batch\(\) has no argument 'zz'\. It takes size, atoms, "):
        fl.batch(4, zz=1)  # type: ignore[call-arg]


def test_a_type_error_for_anything_else_stays_as_it_is() -> None:
    with pytest.raises(TypeError, match=r"map\(\) missing 1 required positional argument: 'fn'"):
        fl.map()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="'object' object is not iterable"):
        iterates(unknown_to_it=object())


@names_keywords
def iterates(**given: Any) -> list[Any]:
    """A function that takes any keyword, and raises TypeError itself."""
    return [list(value) for value in given.values()]


def test_a_type_error_inside_a_word_is_its_own() -> None:
    @names_keywords
    def word(size: object) -> int:
        return len(size)  # type: ignore[arg-type]

    with pytest.raises(TypeError, match=r"has no len\(\)"):
        word(size=3)


def test_a_mistake_in_a_drawing_shows_one_line_of_ours() -> None:
    with pytest.raises(GraphError, match="size is 0") as caught:
        fl.batch(0)
    here, *ours = [frame.f_globals["__name__"] for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert here == __name__
    assert ours == ["flowload.abc.stage"]


def test_a_word_is_to_others_what_it_was() -> None:
    assert str(inspect.signature(fl.batch)).startswith("(size: 'int | None' = None, *, atoms: ")
    assert fl.batch.__name__ == "batch"
    assert fl.batch.__module__ == "flowload.stages.batches.batch"
    assert (fl.rows(100) >> fl.batch(4)).describe()[1]["where"].startswith(__file__)
