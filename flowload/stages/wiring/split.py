"""`fl.split`: chunks and rows go one way or another, for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.abc.amount import Amount
from flowload.abc.operators import Call, Operator, Setting
from flowload.abc.records import Picks
from flowload.abc.stage import whole
from flowload.blocks import Chunks, Frames, Rows
from flowload.errors import GraphError, NoLength
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords
from flowload.graph.names import check_name
from flowload.stages.chunks.hashing import choose_output, hash_rows, salt_word, thresholds
from flowload.stages.rows.indices import Numbered, numbered, remembered_numbers
from flowload.stages.rows.selection import joined
from flowload.stages.rows.split_by_list import SplitByList

from .checks import check_weights
from .split_options import refuse_option, tell_shares

__all__ = ["SplitByHash", "SplitStage", "split"]

Splittable: TypeAlias = Chunks | Frames | Rows

BLOCK = 1 << 18  #: rows whose way is asked for at once


@dataclass(frozen=True, kw_only=True)
class SplitStage(Stage):
    """The declaration of `split` by hash."""

    word: ClassVar[str] = "split"
    intact: ClassVar[bool] = True
    accepts: ClassVar[tuple[type, ...]] = (Chunks, Frames, Rows)

    weights: tuple[tuple[str, float], ...]
    by: str | None = None
    salt: float | str | None = None  #: whole, or a word; typed so that `**shares` may follow

    def __post_init__(self) -> None:
        super().__post_init__()
        check_weights(self.word, [weight for _, weight in self.weights])
        for name, _ in self.weights:
            check_name(name, "an output")
        if self.by is not None and not isinstance(self.by, str):
            raise GraphError(f"split: by is {self.by!r}; wanted the name of a group, such as 'game'")
        if self.salt is not None and not whole(self.salt) and not isinstance(self.salt, str):
            raise GraphError(f"split: salt is {self.salt!r}; wanted a number or a word for another split")

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        """Each output has the type of the input."""
        if self.by is not None and incoming[0] not in (Rows, object):
            raise GraphError(f"split: by={self.by!r} is for rows; here come {incoming[0].__name__}")
        return {name: incoming[0] for name, _ in self.weights}

    def uneven(self, setting: Setting) -> str | None:  # noqa: ARG002 - wherever it stands
        """Each rank has other rows."""
        return "its parts differ in size from rank to rank; split before the shard"

    def open(self, setting: Setting) -> Sequence[Operator]:
        """One route. A second split in a row has a hash of its own, or it would cut along the first."""
        before = sum(isinstance(stage, SplitStage) for stage in setting.upstream)
        return (SplitByHash(self.weights, before + salt_word(self.salt), self.by),)

    def amount(self, incoming: Sequence[Amount], setting: Setting, opened: ExitStack) -> Mapping[str, Amount]:  # noqa: ARG002
        """The rows of each output: their hashes are looked at."""
        (route,) = self.open(setting)
        assert isinstance(route, SplitByHash)  # noqa: S101 - made above
        return parts_of(route, incoming[0], [name for name, _ in self.weights], setting)


@dataclass(frozen=True, kw_only=True, eq=False)
class ListedStage(Stage):
    """The declaration of `split` by lists of rows."""

    word: ClassVar[str] = "split"
    accepts: ClassVar[tuple[type, ...]] = (Rows,)

    parts: tuple[tuple[str, Numbered], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, _ in self.parts:
            check_name(name, "an output")

    def remembered(self) -> Mapping[str, object]:
        """Which rows each part names."""
        return {name: remembered_numbers(part) for name, part in self.parts}

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:  # noqa: ARG002 - references, always
        """References to rows, at every output."""
        return {name: Rows for name, _ in self.parts}

    def uneven(self, setting: Setting) -> str | None:  # noqa: ARG002 - wherever it stands
        """Each rank has other rows."""
        return "its parts differ in size from rank to rank; split before the shard"

    def open(self, setting: Setting) -> Sequence[Operator]:  # noqa: ARG002 - nothing to fit
        """The operators of a run: one Route."""
        return (SplitByList(self.parts),)

    def amount(self, incoming: Sequence[Amount], setting: Setting, opened: ExitStack) -> Mapping[str, Amount]:  # noqa: ARG002
        """The rows of each list, as far as they come."""
        return parts_of(SplitByList(self.parts), incoming[0], [name for name, _ in self.parts], setting)


class SplitByHash:
    """Sends rows by the hash of their chunk, of their group, or of their own number."""

    def __init__(self, weights: Sequence[tuple[str, float]], salt: int, by: str | None = None) -> None:
        self.names = [name for name, _ in weights]
        self.borders = thresholds([weight for _, weight in weights])
        self.salt = salt
        self.by = by

    def chosen(self, block: Splittable) -> NDArray[Any]:
        """The number of each row's output."""
        return choose_output(hash_rows(block, self.salt, self.by), self.borders)

    def route(self, block: Splittable, call: Call) -> Mapping[str, Splittable]:
        """The rows of each output, in their order."""
        chosen = self.chosen(block)
        counts = np.bincount(chosen, minlength=len(self.names))
        return {
            name: block if count == len(block) else take(block, np.flatnonzero(chosen == number), call)
            for number, (name, count) in enumerate(zip(self.names, counts.tolist(), strict=True))
            if count
        }


def parts_of(
    route: SplitByHash | SplitByList, incoming: Amount, names: Sequence[str], setting: Setting
) -> Mapping[str, Amount]:
    """How many rows of one pass go to each output. Raises NoLength where nobody knows which rows come."""
    if incoming.rows is None:
        raise NoLength("split: which rows come to it shows only when it runs")
    parts: dict[str, list[Picks]] = {name: [] for name in names}
    for start in range(0, len(incoming.rows), BLOCK):
        block = incoming.rows.select(slice(start, start + BLOCK))
        chosen = route.chosen(block)
        for number, name in enumerate(names):
            parts[name].append(block.picks.select(np.flatnonzero(chosen == number)))
    given = {}
    for name, picks in parts.items():
        rows = replace(incoming.rows, picks=joined(picks))
        own = incoming.share(len(rows) * (setting.epochs or 1))
        given[name] = replace(own, rows=rows)
    return given


def take(block: Splittable, rows: NDArray[np.intp], call: Call) -> Splittable:
    """Some rows of a block; frames move to a leased buffer of their own, which their reader may overwrite."""
    if not isinstance(block, Frames):
        return block.select(rows)
    stride = block.data.shape[1]
    data = call.lease(len(rows) * stride).reshape(len(rows), stride)
    np.take(block.data, rows, axis=0, out=data, mode="clip")  # "raise" would go through a buffer
    return Frames(block.format, block.sources, data, block.origin[rows])


@names_keywords
def split(*, by: str | None = None, salt: float | str | None = None, **parts: Any) -> Graph:
    """Send each chunk or row to one of several outputs, such as `split(train=0.9, valid=0.1)`.

    The way is chosen by a hash: of the chunk's file name and its number in the file, or of the row's number
    or group. It is the same in every pass, process, machine and version, wherever the folder is mounted;
    frames of one chunk, and rows of one group, are never separated. Splits one after another are
    independent.

    Args:
        by: for rows: the group that stays together, as the records offer them ("game", "molecule",
            "recording"); None: every row by itself.
        salt: a number or a word: each makes another split of the same shares; None: the usual one. The run's
            seed has no part in it: a sample must not change sides between two runs.
        parts: the outputs' names and shares; where they do not add up to 1 they are taken in proportion,
            which is said. Or, for rows, names and row numbers: arrays, lists, or `.npy` files of them; rows
            that no part names are dropped, and counted.

    Examples:
        >>> parts = fl.rows({"x": np.arange(1000)}) >> fl.split(train=0.9, valid=0.1)
        >>> with (parts.drop("train") >> fl.batch(1000)).iterate() as batches:
        ...     valid = next(batches)["x"]
        >>> 70 < len(valid) < 130
        True
    """
    for name, part in parts.items():
        refuse_option(name, part)
    numbers = [isinstance(part, int | float) for part in parts.values()]
    if any(numbers) or not parts:
        stage = SplitStage(weights=tuple(parts.items()), by=by, salt=salt)
        tell_shares(stage.weights)
        return place(stage)
    if by is not None or salt is not None:
        word = "by" if by is not None else "salt"
        raise GraphError(f"split: {word}= is for shares; lists of rows say themselves what belongs together")
    listed = tuple((name, numbered(part, f"split: part {name!r} is")) for name, part in parts.items())
    return place(ListedStage(parts=listed))
