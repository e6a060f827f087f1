"""What differs between the world that a state was saved in and the one that it meets, in words."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from flowload.errors import DataError, GraphError
from flowload.files.fingerprint import Fingerprint, differences

from .remember import python

__all__ = ["check_world", "refuse_data"]

log = logging.getLogger("flowload")

WAY_OUT = "make it as it was, or say on_change='accept' where another stream may follow"
MOST = 4  #: differences in a message
CODE = {"code", "methods", "class", "bases"}  #: what only one version of Python can compare
INSIDE = {"fields", "globals", "function", "closure"}  #: not worth a word in a message


def unlike_stages(saved: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Stages, parameters, user code, ranks and epochs that are not as they were."""
    told = []
    same_python = saved.get("python") == python()
    before, now = saved["stages"], found["stages"]
    told += [f"stage {name!r} is new" for name in now if name not in before]
    told += [f"stage {name!r} has gone" for name in before if name not in now]
    blind = []
    for name in [name for name in before if name in now]:
        unlike = unlike_stage(name, before[name], now[name])
        if not same_python:
            blind += [one for one in unlike if one.code]
            unlike = [one for one in unlike if not one.code]
        told += [one.told for one in unlike]
    if not told and list(before) != list(now):
        told.append(f"the stages stand in another order: {', '.join(before)}; now {', '.join(now)}")
    if blind:
        log.warning(
            "the state was saved under %s, and this is %s: whether the code of %s is the same cannot be told",
            saved.get("python"),
            python(),
            ", ".join(sorted({one.stage for one in blind})),
        )
    if saved.get("even") != found["even"] and any("share" in stage for stage in now.values()):
        told.append(f"even was {saved.get('even')!r}, is {found['even']!r}")
    return told


class Unlike:
    """One difference in a stage."""

    def __init__(self, stage: str, told: str, *, code: bool = False) -> None:
        self.stage = stage
        self.told = told
        self.code = code  #: told by bytes of Python's code


def unlike_stage(name: str, saved: Mapping[str, Any], found: Mapping[str, Any]) -> list[Unlike]:
    """What differs in one stage."""
    unlike = [
        Unlike(name, f"{name!r}: {key} was {saved.get(key)!r}, is {found.get(key)!r}")
        for key in ("word", "inputs", "growing")
        if saved.get(key) != found.get(key)
    ]
    if not unlike and saved.get("version") != found.get("version"):
        told = (
            f"{name!r} makes another stream than in the flowload that saved the state: version"
            f" {saved.get('version')} then, {found.get('version')} now"
        )
        unlike.append(Unlike(name, told))
    for key in ("share", "class"):
        unlike += unlike_values(name, key, saved.get(key), found.get(key))
    before, now = saved.get("parameters") or {}, found.get("parameters") or {}
    for key in [*before, *(key for key in now if key not in before)]:
        unlike += unlike_values(name, key, before.get(key), now.get(key))
    return unlike


def unlike_values(stage: str, path: str, saved: Any, found: Any) -> list[Unlike]:
    """The innermost differences of two values."""
    if saved == found:
        return []
    if isinstance(saved, dict) and isinstance(found, dict):
        inner: list[Unlike] = []
        for key in [*saved, *(key for key in found if key not in saved)]:
            part = path if key in CODE or key in INSIDE else f"{path}.{key}"
            for one in unlike_values(stage, part, saved.get(key), found.get(key)):
                one.code = one.code or key in CODE
                inner.append(one)
        if len(inner) > 1 and all(one.code for one in inner):
            inner = inner[:1]
        return inner
    if isinstance(saved, list) and isinstance(found, list) and len(saved) == len(found):
        pairs = enumerate(zip(saved, found, strict=True))
        return [one for n, (a, b) in pairs for one in unlike_values(stage, f"{path}[{n}]", a, b)]
    return [Unlike(stage, f"{stage!r}: {path} was {shown(saved)}, is {shown(found)}")]


def shown(value: Any) -> str:
    """A value for a message."""
    return "not there" if value is None else f"{value!r:.80}"


def check_world(saved: Mapping[str, Any], found: Mapping[str, Any], on_change: str) -> None:
    """Raise GraphError where stages, parameters, code, ranks or passes are others; see `refuse`."""
    try:
        told = [*unlike_stages(saved, found), *unlike_passes(saved, found)]
    except (KeyError, TypeError, AttributeError) as error:
        raise GraphError(f"this is not the state of a run: its world is {saved!r:.200}") from error
    refuse(told, on_change)


def unlike_passes(saved: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Another number of passes, and whether the stream would go on the same all the same.

    Until its last pass ends, a stream is the same whatever the number of passes; then it empties its pools.
    """
    before, now = saved.get("epochs"), found["epochs"]
    if before == now:
        return []
    reached = (saved.get("reached") or {}).values()
    passed = max((output["epoch"] for output in reached), default=0) - saved.get("first_epoch", 0)
    growing = any(stage.get("growing") for stage in found["stages"].values())
    said = f"epochs was {before}, is {now}"
    if any(output["draining"] for output in reached):
        rest = f"finish with epochs={before}, then begin another run with first_epoch"
        return [f"{said}, and the pools at the end of its last pass were being emptied: {rest}"]
    if (now is not None and passed >= now) or (growing and 1 in (before, now)):
        return [f"{said}, and the state was taken in pass {passed}"]
    return [f"{said} (accepted, it goes on exactly as a run with epochs={now} would)"]


def refuse(told: Sequence[str], on_change: str, kind: type[GraphError] = GraphError) -> None:
    """Raise for differences, or log them where the user accepts them."""
    if not told:
        return
    more = [f"and {len(told) - MOST} more"] if len(told) > MOST else []
    what = "; ".join([*told[:MOST], *more])
    if on_change == "accept":
        log.warning("going on though the state is of another run: %s", what)
        return
    raise kind(f"the state is of another run: {what}; {WAY_OUT}")


def refuse_data(node: str, saved: Fingerprint, found: Fingerprint, on_change: str) -> None:
    """Raise DataError where the data of a node are others than those of the state; see `refuse`."""
    told = differences(saved, found)
    if not told:
        return
    what = "; ".join(told[:MOST])
    if on_change == "accept":
        log.warning("%s: going on with other data than when the state was saved: %s", node, what)
        return
    wanted = f"the same; {WAY_OUT}"
    raise DataError("other data than when the state was saved", where=node, found=what, wanted=wanted)
