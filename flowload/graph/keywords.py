"""A misspelt keyword of a word such as `fl.batch` is answered with the nearest that it has."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import ParamSpec, TypeVar

from flowload.tracebacks import shortened

from .names import near

__all__ = ["names_keywords"]

Given = ParamSpec("Given")
Value = TypeVar("Value")


def names_keywords(word: Callable[Given, Value]) -> Callable[Given, Value]:
    """A function whose TypeError for a keyword that it does not have says which it has.

    Of any other error the traceback is `shortened`: a mistake in a drawing shows the user's line, and the
    one of ours that says what is wrong.

    To type checkers, `help` and `inspect.signature` it is what it was. Its arguments are looked at only when
    a call has raised TypeError: drawing costs no more than before.

    Examples:
        >>> from flowload.graph.keywords import names_keywords
        >>> @names_keywords
        ... def read(path, *, workers=1): ...
        >>> read("a.npy", worker=2)
        Traceback (most recent call last):
        TypeError: read() has no argument 'worker'; did you mean 'workers'? It takes path, workers
    """

    @wraps(word)
    def called(*args: Given.args, **keywords: Given.kwargs) -> Value:
        try:
            return word(*args, **keywords)
        except Exception as error:
            told = unknown(word, keywords) if isinstance(error, TypeError) else None
            if told is None:
                shortened(error)
                raise
            raise TypeError(told) from None

    return called


def unknown(word: Callable[..., object], given: Iterable[str]) -> str | None:
    """What is said of the first keyword that a function does not have; None where it has all."""
    parameters = inspect.signature(word).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    by_name = [
        each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
    ]
    for name in given:
        if name not in by_name:
            known = [each for each in by_name if each != "self"]
            hint = near(name, known) or "."
            return f"{word.__name__}() has no argument {name!r}{hint} It takes {', '.join(known) or 'none'}"
    return None
