"""What a stage opened, looked at before a run begins: operators, each of one shape, in an order that works.

Whoever writes a stage learns here what is missing, by stage, class and method, instead of from an error in
the midst of a run.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from flowload.abc.operators import Fold, Map, Operator, Route, Source, Turn
from flowload.errors import GraphError
from flowload.graph import Placed

__all__ = ["check_opened", "misshapen"]

#: The methods of each shape; one that has any of those in `TELLING` is meant to be it.
METHODS: dict[type, tuple[str, ...]] = {
    Source: ("epoch",),
    Map: ("apply",),
    Fold: ("push", "flush"),
    Route: ("route",),
    Turn: ("choose", "took"),
}
TELLING = {
    "epoch": Source,
    "apply": Map,
    "push": Fold,
    "flush": Fold,
    "route": Route,
    "choose": Turn,
    "took": Turn,
}
STATE = "state", "restore"  #: a power: both or neither
WAITING = "epoch", "apply"  #: the methods that may be coroutine functions


def check_opened(placed: Placed, opened: Any) -> Sequence[Operator]:
    """The operators that a stage opened. Raises GraphError that names stage, class, method and line."""
    if (wrong := next(problems(placed, opened), None)) is not None:
        name, where = placed.name, placed.node.where
        raise GraphError(f"stage {name!r}: {wrong}; {name!r} is declared at {where}")
    return tuple(opened)


def problems(placed: Placed, opened: Any) -> Iterator[str]:
    """What is wrong with what a stage opened."""
    kind = type(placed.stage).__name__
    if not isinstance(opened, Sequence) or isinstance(opened, str):
        hint = "" if misshapen(opened) else f"; return [{type(opened).__name__}(...)]"
        yield f"{kind}.open() gave {shown(opened)}; wanted a list of operators{hint}"
    elif not opened:
        yield f"{kind}.open() gave no operator; wanted one or more"
    else:
        for operator in opened:
            if wrong := misshapen(operator):
                yield wrong
        yield from misplaced(placed, opened)


def misshapen(operator: object) -> str:
    """Why this is no operator of one shape; empty if it is one."""
    name = type(operator).__name__
    if isinstance(operator, type):
        return f"{operator.__name__} is a class; wanted an object of it: {operator.__name__}(...)"
    meant = [shape for shape, methods in METHODS.items() if not lacked(operator, methods)]
    # Where one shape is whole, a method of another's name is the class's own business: a fold may `choose`.
    meant = meant or list({TELLING[method]: None for method in TELLING if hasattr(operator, method)})
    if not meant:
        return f"{shown(operator)} is none of the shapes Source, Map, Fold, Route and Turn"
    if len(meant) > 1:
        return f"{name} is {' and '.join(shape.__name__ for shape in meant)}; wanted one shape"
    (shape,) = meant
    return lacking(operator, name, shape)


def lacking(operator: object, name: str, shape: type) -> str:
    """What an operator lacks of the shape that it is meant to have."""
    wanted = METHODS[shape]
    if missing := lacked(operator, wanted):
        return f"{name} has no {listed(missing)}; a {shape.__name__} has {listed(wanted)}"
    for method in wanted:
        if not callable(getattr(operator, method)):
            return f"{name}.{method} is {shown(getattr(operator, method))}; wanted a method"
        if method not in WAITING and inspect.iscoroutinefunction(getattr(operator, method)):
            return f"{name}.{method} is a coroutine function; only {listed(WAITING)} may be"
    return half(operator, name)


def half(operator: object, name: str) -> str:
    """What is wrong with the powers of an operator: one of two methods, or a count that is a method."""
    if callable(inspect.getattr_static(operator, "held", None)):
        return f"{name}.held is a method; wanted a property or a number"
    missing = lacked(operator, STATE)
    if len(missing) == 1:
        return f"{name} has no {missing[0]}; what can be resumed has {listed(STATE)}, or neither"
    return ""


def lacked(operator: object, methods: Sequence[str]) -> list[str]:
    """Which of these methods an operator lacks."""
    # Not by `hasattr`: it would ask a property, which is the run's to ask.
    return [method for method in methods if inspect.getattr_static(operator, method, None) is None]


def misplaced(placed: Placed, opened: Sequence[Any]) -> Iterator[str]:
    """What is wrong with the order of operators, and with the ports of their stage."""
    first, last = opened[0], opened[-1]
    inputs, name = len(placed.inputs), type(first).__name__
    if inputs == 0 and not isinstance(first, Source):
        yield f"nothing flows into it, so it begins with a Source; {name} is none"
    if inputs > 0 and isinstance(first, Source):
        yield f"{name} is a Source, but blocks flow into this stage; `accepts` of a source is empty"
    if inputs > 1 and not isinstance(first, Turn):
        yield f"{inputs} streams flow into it, so it begins with a Turn; {name} is none"
    for operator in opened[1:]:
        if isinstance(operator, Source | Turn):
            yield f"{type(operator).__name__} takes no blocks, but stands behind another operator"
    for operator in opened[:-1]:
        if isinstance(operator, Route):
            yield f"{type(operator).__name__} is a Route, but does not stand at the end"
    if not isinstance(last, Route) and placed.outputs not in ((), ("out",)):
        ports = listed([repr(port) for port in placed.outputs])
        yield f"gives() names {ports}, but {type(last).__name__} is no Route: it writes to 'out' alone"


def shown(value: object) -> str:
    """A value in a message: short."""
    return "nothing" if value is None else f"{value!r:.60}"


def listed(words: Sequence[str]) -> str:
    """Words in a sentence."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
