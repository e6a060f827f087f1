"""Whether a run can go on from where its stages stood, though files have gone that its source had told."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flowload.abc.growing import Comparing, Retelling
from flowload.runtime.tasks.segment import Segment

__all__ = ["without_gone"]

log = logging.getLogger("flowload")


def without_gone(
    segments: Iterable[Segment], growing: Mapping[str, Any], standing: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    """What stages go on from, where what is gone may be left out; None: all is made again, without it.

    Files may go when all stages have done with them. One that is told again, or that a fold holds references
    to, is missed: then what came of it is in the state, and is not to come.

    Args:
        segments: of the run, opened.
        growing: what the state says of how data grew.
        standing: where stages stood.
    """
    if standing is None:
        return None
    held = set(paths_in(standing))
    for segment in segments:
        for member in segment.members:
            if not isinstance(member.operator, Retelling):
                continue
            own = standing["members"].get(member.name, {}).get("state")
            if own is None or not isinstance(member.operator, Comparing):
                return None
            with member:
                again, before = member.operator.changed(growing["told"][member.node], own)
            if missed := [*again, *(path for path in before if path in held)]:
                log.warning(
                    "%s is not what it was when the state was taken, and stages are not done with it: the"
                    " stream is made again from its beginning, without what has gone (%d files)",
                    missed[0],
                    len(missed),
                )
                return None
    return standing


def paths_in(part: Any) -> Iterator[str]:
    """Every path that a part of a state has in its lists of `paths`."""
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key == "paths" and isinstance(value, list):
                yield from (path for path in value if path is not None)
            else:
                yield from paths_in(value)
    elif isinstance(part, list):
        for value in part:
            yield from paths_in(value)
