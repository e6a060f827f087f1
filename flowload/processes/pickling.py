"""A user's function as bytes that another process can make it of again."""

from __future__ import annotations

import contextlib
import importlib
import pickle
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from flowload.errors import GraphError, MissingExtra

__all__ = ["as_bytes"]


def as_bytes(fn: Callable[..., Any], word: str) -> bytes:
    """The function, by name where a module has it, else by value: a closure, a lambda, one of a script.

    Args:
        fn: the function.
        word: of the stage, for messages.

    Raises GraphError for what cannot be pickled, MissingExtra where that takes cloudpickle.
    """
    module = sys.modules.get(getattr(fn, "__module__", None) or type(fn).__module__)
    if module is not None and is_found(module):
        with contextlib.suppress(Exception):  # anything may be in a closure; then by value
            text = pickle.dumps(fn, protocol=5)
            if b"__main__" not in text:  # a script's functions would be looked for in the child's own
                return text
    try:
        cloudpickle = importlib.import_module("cloudpickle")
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"{word}: {name_of(fn)} is no function of a module, and is taken to another process by value:"
            " pip install 'flowload[processes]'"
        ) from error
    try:
        with by_value(cloudpickle, module):
            return bytes(cloudpickle.dumps(fn, protocol=5))
    except Exception as error:
        raise GraphError(
            f"{word}: {name_of(fn)} cannot be taken to another process: {type(error).__name__}: {error};"
            ' leave out executor="process", or have it make there what it holds'
        ) from error


@contextlib.contextmanager
def by_value(cloudpickle: Any, module: ModuleType | None) -> Iterator[None]:
    """While inside, what a module has that no other process would find is taken along."""
    registered = module is not None and module.__name__ != "__main__" and not is_found(module)
    if registered:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        if registered:
            cloudpickle.unregister_pickle_by_value(module)


def is_found(module: ModuleType) -> bool:
    """Whether another process that imports this name finds the same: not one that was made while running."""
    top = module.__name__.partition(".")[0]
    here = getattr(sys.modules.get(top), "__spec__", None)
    for finder in sys.meta_path:
        spec = finder.find_spec(top, None)
        if spec is not None:
            return here is not None and spec.origin == here.origin
    return False


def name_of(fn: object) -> str:
    """What a function is called."""
    return str(getattr(fn, "__qualname__", None) or type(fn).__qualname__)


def search_path() -> list[str]:
    """Where modules are found, for a process that starts elsewhere: "" is the folder of now."""
    return [place if place else "." for place in sys.path]
