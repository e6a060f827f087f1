"""What an operator says of itself, copied, and becoming it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from flowload.abc.operators import Fold, Map, Route, Source, Turn
from flowload.abc.powers import Stateful
from flowload.runtime.tasks.call import Member

__all__ = ["NOTHING", "Unsaved", "put_back", "says_states", "state_of", "states_of"]


NOTHING = object()  #: in the place of a state: of an operator that remembers nothing, or whose stream is over


class Unsaved(Exception):  # noqa: N818 - no error: a run without that state makes its stream again
    """An operator that cannot be saved, and why; without a word: not now."""


def states_of(members: Iterable[Member], stateful: Iterable[bool]) -> list[Any]:
    """What each operator says of itself. Raises Unsaved.

    Args:
        members: they.
        stateful: of each, whether it says anything; see `says_states`.
    """
    return [state_of(member, says=says) for member, says in zip(members, stateful, strict=True)]


def says_states(members: Iterable[Member]) -> list[bool]:
    """Of each operator whether it has a state: asked once, for the answer takes up to 8 us."""
    return [isinstance(member.operator, Stateful) for member in members]


def state_of(member: Member, *, says: bool) -> Any:
    """What an operator says of itself; NOTHING where it remembers nothing. Raises Unsaved."""
    operator: Any = member.operator
    if not says:
        if isinstance(operator, Map | Route) or getattr(operator, "memoryless", False):
            return NOTHING
        kind = next(kind.__name__.lower() for kind in (Source, Fold, Turn) if isinstance(operator, kind))
        raise Unsaved(f"{member.name!r} is a {kind} that has no state()")
    why: str | None = getattr(operator, "unsaved", None)
    if why is not None:
        raise Unsaved(f"{member.name!r}: {why}" if why else "")
    try:
        with member:
            state = operator.state()
    except Exception as error:
        raise Unsaved(f"{member.name!r} failed in state(): {error}") from error
    # Our own give copies; what somebody else gave may go on changing.
    return state if type(operator).__module__.startswith("flowload.") else copied(state)


def copied(state: Any) -> Any:
    """A state that nobody changes any more."""
    if isinstance(state, np.ndarray):
        return state.copy()
    if isinstance(state, Mapping):
        return {key: copied(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return [copied(value) for value in state]
    return state


def put_back(members: Sequence[Member], states: Sequence[Any]) -> None:
    """Make operators those that gave these states."""
    for member, state in zip(members, states, strict=True):
        if state is not NOTHING and isinstance(member.operator, Stateful):
            with member:
                member.operator.restore(state)
