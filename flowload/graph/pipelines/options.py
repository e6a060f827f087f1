"""The options of a pipeline: typed, defaulted parameters, read from text or from Python values."""

from __future__ import annotations

import difflib
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Union

import numpy as np

from flowload.errors import GraphError, OptionError

__all__ = ["BOOLS", "SEVERAL", "Option", "accept", "convert", "known_option", "read_options", "takes_several"]

SCALARS: Mapping[Any, str] = {
    types.NoneType: "None",
    int: "an int",
    float: "a float",
    bool: "true or false",
    str: "a str",
    Path: "a path",
}
SEVERAL = "\0"  #: between values that were several words: in a file's name a comma is a letter like any other
BOOLS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
#: Members of a union are tried in this order: what takes least first.
NARROW_TO_WIDE = (types.NoneType, Literal, int, float, bool, list, tuple, str, Path)


@dataclass(frozen=True)
class Option:
    """One option of a pipeline."""

    name: str
    annotation: Any  #: the parameter's type, resolved
    default: object
    help: str = ""  #: from the "Args:" of the docstring

    @property
    def type(self) -> str:
        """The type as users write it."""
        return type_text(self.annotation)


def read_options(function: Callable[..., object]) -> tuple[Option, ...]:
    """The options that a function's parameters declare; raises GraphError for one that cannot be."""
    try:
        hints = typing.get_type_hints(function)
    except NameError as error:
        raise GraphError(f"a type of the pipeline {function.__qualname__!r} is not known: {error}") from error
    texts = help_texts(inspect.getdoc(function) or "")
    return tuple(
        read_option(
            function.__qualname__, parameter, hints.get(parameter.name), texts.get(parameter.name, "")
        )
        for parameter in inspect.signature(function).parameters.values()
    )


def read_option(owner: str, parameter: inspect.Parameter, annotation: Any, text: str) -> Option:
    """One parameter as an option."""
    what = f"parameter {parameter.name!r} of the pipeline {owner!r}"
    if parameter.kind not in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD):
        raise GraphError(f"{what} cannot be given by name; wanted name: type = default")
    if annotation is None or parameter.default is parameter.empty:
        missing = "type" if annotation is None else "default"
        raise GraphError(f"{what} has no {missing}; wanted name: type = default")
    if not is_supported(annotation):
        raise GraphError(
            f"{what} has the type {type_text(annotation)}; wanted str, int, float, bool, Path, "
            "Literal[...], list[...] or tuple[..., ...] of these, or a union with None"
        )
    option = Option(parameter.name, annotation, parameter.default, text)
    try:
        accept(option, parameter.default)
    except OptionError as error:
        raise GraphError(f"{what} does not fit its own default: {error}") from error
    return option


def is_supported(annotation: Any) -> bool:
    """Whether options may have this type."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is tuple:
        return len(arguments) == 2 and arguments[1] is Ellipsis and is_supported(arguments[0])
    if origin in (list, Union, types.UnionType):
        return all(map(is_supported, arguments))
    return origin is Literal or annotation in SCALARS


def convert(option: Option, text: str) -> Any:
    """The value that a command line's text stands for; raises OptionError.

    Lists are written with commas, None as "none", a bool as true or false, yes or no, on or off, 1 or 0.
    """
    return fitted(option, text, from_text)


def accept(option: Option, value: object) -> Any:
    """The value, checked against the option's type; an int is taken for a float, a str for a path.

    Raises OptionError.
    """
    return fitted(option, value, from_value)


def takes_several(option: Option) -> bool:
    """Whether a value of this option may be a list."""
    annotation = option.annotation
    kinds = (
        typing.get_args(annotation) if typing.get_origin(annotation) not in (list, tuple) else (annotation,)
    )
    return any(typing.get_origin(kind) in (list, tuple) for kind in kinds)


def fitted(option: Option, value: Any, fit: Callable[[Any, Any], Any]) -> Any:
    """The value as `fit` makes it; raises OptionError."""
    try:
        return fit(option.annotation, value)
    except ValueError as error:
        raise OptionError(f"{option.name} is {value!r}; wanted {wanted(option.annotation)}") from error


def from_text(annotation: Any, text: str) -> Any:
    """Text as a value of this type; raises ValueError."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return one_of(text, {str(choice): choice for choice in arguments})
    if origin in (list, tuple):
        parts = text.split(SEVERAL if SEVERAL in text else ",") if text.strip() else []
        return origin(from_text(arguments[0], part.strip()) for part in parts)
    if origin is not None:
        return first_that_fits(from_text, arguments, text)
    if annotation is bool:
        return one_of(text.strip().lower(), BOOLS)
    if annotation is types.NoneType:
        return one_of(text.strip().lower(), {"none": None})
    return annotation(text)


def from_value(annotation: Any, value: Any) -> Any:
    """A Python value as one of this type; raises ValueError."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return one_of((type(value), value), {(type(choice), choice): choice for choice in arguments})
    if origin in (list, tuple):
        if isinstance(value, list | tuple):
            return origin(from_value(arguments[0], item) for item in value)
    elif origin is not None:
        return first_that_fits(from_value, arguments, value)
    else:
        is_bool = isinstance(value, bool | np.bool_)
        taken: tuple[type, ...] = {
            int: (Integral,),
            float: (Real,),
            bool: (bool, np.bool_),
            Path: (str, PathLike),
        }.get(annotation, (annotation,))
        if isinstance(value, taken) and (annotation is bool or not is_bool):
            return value if value is None else annotation(value)
    raise ValueError(value)


def one_of(key: Any, choices: Mapping[Any, Any]) -> Any:
    """The choice of that key; raises ValueError."""
    try:
        return choices[key]
    except (KeyError, TypeError) as error:  # a list is no key at all
        raise ValueError(key) from error


def first_that_fits(fit: Callable[[Any, Any], Any], members: Iterable[Any], value: Any) -> Any:
    """The value as the narrowest member of a union that takes it; raises ValueError."""
    for member in sorted(members, key=width):
        try:
            return fit(member, value)
        except ValueError:
            continue
    raise ValueError(value)


def width(annotation: Any) -> int:
    """How much a type takes, by its place in `NARROW_TO_WIDE`."""
    origin = typing.get_origin(annotation)
    return NARROW_TO_WIDE.index(annotation if origin is None else origin)


def wanted(annotation: Any) -> str:
    """What an error says was wanted."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin in (list, tuple):
        return f"a {origin.__name__} of {type_text(arguments[0])}"
    return " or ".join(map(wanted, arguments)) if origin is not None else SCALARS[annotation]


def type_text(annotation: Any) -> str:
    """The type as users write it, without module names."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return " | ".join(map(repr, arguments))
    if origin in (Union, types.UnionType):
        return " | ".join(map(type_text, arguments))
    if annotation is types.NoneType:
        return "None"
    name = getattr(origin or annotation, "__name__", None)
    inner = ", ".join("..." if part is Ellipsis else type_text(part) for part in arguments)
    return f"{name or annotation}[{inner}]" if inner else str(name or annotation)


def known_option(options: Iterable[Option], name: str, owner: str) -> Option:
    """The option of that name; raises OptionError that lists the known ones and names a near one."""
    known = {option.name: option for option in options}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name.replace("-", "_"), known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ";"
    raise OptionError(f"{owner} has no option {name!r}{hint} known: {', '.join(known) or 'none'}")


def help_texts(doc: str) -> dict[str, str]:
    """What the "Args:" of a docstring say, by parameter; lines of one text are joined."""
    texts: dict[str, str] = {}
    _, found, section = doc.partition("Args:\n")
    name, indent = "", 0
    for line in section.splitlines() if found else ():
        entry = re.match(r"( +)\*{0,2}(\w+)(?: \([^)]*\))?:(?: +(.*))?$", line)
        if line.strip() and not line.startswith(" "):
            break
        if entry and (not texts or len(entry[1]) <= indent):
            name, indent = entry[2], len(entry[1])
            texts[name] = entry[3] or ""
        elif name:
            texts[name] = f"{texts[name]} {line.strip()}".strip()
    return texts
