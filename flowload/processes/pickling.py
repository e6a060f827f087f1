"""A user's function, or a graph of them, as bytes that another process can make it of again."""

from __future__ import annotations

import contextlib
import importlib
import pickle
import pickletools
import sys
from types import ModuleType
from typing import Any

from flowload.errors import GraphError, MissingExtra

__all__ = ["as_bytes", "search_path"]

STRINGS = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE")
FETCHES = ("BINGET", "LONG_BINGET", "GET")


def as_bytes(value: object, word: str) -> bytes:
    """The value; functions and classes by name where a module has them, else by value.

    By value are closures, lambdas, what a script or notebook defines, and what is in a module that was made
    while running: another process would not find it by its name.

    Args:
        value: a function, or what holds some.
        word: what it is for messages, such as the stage that has the function.

    Raises GraphError for what cannot be pickled, MissingExtra where that takes cloudpickle.
    """
    with contextlib.suppress(Exception):  # anything may be in a closure; then by value
        text = pickle.dumps(value, protocol=5)
        if all(map(is_found, modules_in(text))):
            return text
    try:
        cloudpickle = importlib.import_module("cloudpickle")
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"{word}: {name_of(value)} is in no module that another process would find, and is taken there by"
            " value: pip install 'flowload[processes]'"
        ) from error
    try:
        return by_value(cloudpickle, value)
    except Exception as error:
        raise GraphError(
            f"{word}: {name_of(value)} cannot be taken to another process: {type(error).__name__}: {error};"
            " have it make there what it holds"
        ) from error


def by_value(cloudpickle: Any, value: object) -> bytes:
    """The value, with what is in modules that no other process would find."""
    known: list[ModuleType] = []
    try:
        while True:
            text = bytes(cloudpickle.dumps(value, protocol=5))
            lost = [name for name in modules_in(text) if not is_found(name) and name in sys.modules]
            fresh = [sys.modules[name] for name in lost if name != "__main__"]
            if not [module for module in fresh if module not in known]:
                return text
            for module in fresh:
                cloudpickle.register_pickle_by_value(module)
                known.append(module)
    finally:
        for module in known:
            cloudpickle.unregister_pickle_by_value(module)


def modules_in(text: bytes) -> set[str]:
    """Names of the modules that a pickle will import from."""
    found: set[str] = set()
    last: list[str] = ["", ""]  # strings that were pushed last
    memo: dict[int, str] = {}
    kept = 0
    for opcode, argument, _ in pickletools.genops(text):
        name = opcode.name
        if name in STRINGS:
            last = [last[1], str(argument)]
        elif name in FETCHES and argument in memo:
            last = [last[1], memo[int(argument)]]
        elif name == "MEMOIZE":
            memo[kept] = last[1]
            kept += 1
        elif name == "STACK_GLOBAL":
            found.add(last[0])
            last = ["", ""]
        elif name == "GLOBAL":
            found.add(str(argument).split(" ", 1)[0])
    return found


def is_found(name: str) -> bool:
    """Whether another process that imports a module of this name finds the same."""
    top = name.partition(".")[0]
    if top == "__main__" or top not in sys.modules:
        return False
    if top in sys.builtin_module_names:
        return True
    here = getattr(sys.modules[top], "__spec__", None)
    for finder in sys.meta_path:
        spec = finder.find_spec(top, None)
        if spec is not None:
            return here is not None and spec.origin == here.origin
    return False


def name_of(value: object) -> str:
    """What a function is called."""
    return str(getattr(value, "__qualname__", None) or type(value).__qualname__)


def search_path() -> list[str]:
    """Where modules are found, for a process that starts elsewhere: "" is the folder of now."""
    return [place if place else "." for place in sys.path]
