"""What a function of a user does, as a digest, and what it takes from where it was made."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

import numpy as np

from flowload.files.fingerprint import of_bytes

__all__ = ["closed_over", "code_digest", "globals_of", "is_users"]


def closed_over(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function has taken from where it was made."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not set yet
            continue


def globals_of(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function takes from its module: numbers, texts, arrays, functions and classes of the user's.

    Lists and dicts only where their name says that they are constant: others may be written to by a run.
    """
    for name in sorted(names_of(function.__code__)):
        value = function.__globals__.get(name)
        if isinstance(value, types.FunctionType | type):
            if is_users(value.__module__):
                yield name, value
        elif isinstance(value, bool | int | float | str | bytes | tuple | frozenset | np.ndarray) or (
            name.isupper() and isinstance(value, list | dict | set)
        ):
            yield name, value


def names_of(code: types.CodeType) -> set[str]:
    """Names that a function, and what is defined in it, may take from its module."""
    inner = (names_of(one) for one in code.co_consts if isinstance(one, types.CodeType))
    return set(code.co_names).union(*inner)


def is_users(module: str | None) -> bool:
    """Whether a module is neither this package nor a library: its code has no version that anybody counts."""
    if module is None or module == "__main__":
        return True
    if module.partition(".")[0] == "flowload":
        return False
    if module.partition(".")[0] in sys.stdlib_module_names:
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is None or "site-packages" not in PurePath(file).parts


def code_digest(code: types.CodeType) -> str:
    """A digest of what a function does: not of where it stands, of the numbers of lines, or its docstring."""
    constants: list[object] = []
    for place, one in enumerate(code.co_consts):
        if isinstance(one, types.CodeType):
            constants.append(code_digest(one))
        elif place == 0 and isinstance(one, str) and code.co_flags & 1 and is_docstring(code):
            constants.append(None)
        else:
            constants.append(sorted(map(repr, one)) if isinstance(one, frozenset) else repr(one))
    parts = (code.co_code.hex(), constants, code.co_names, code.co_varnames, code.co_freevars)
    return of_bytes(repr(parts).encode(errors="backslashreplace"))


def is_docstring(code: types.CodeType) -> bool:
    """Whether the first constant of a function is its docstring, which no instruction loads."""
    return code.co_name != "<lambda>" and not any(
        one.opname.startswith("LOAD_CONST") and one.arg == 0 for one in instructions(code)
    )


def instructions(code: types.CodeType) -> Iterator[Any]:
    """What a function does, step by step."""
    import dis  # noqa: PLC0415 - for functions that begin with a text alone

    return dis.get_instructions(code)
