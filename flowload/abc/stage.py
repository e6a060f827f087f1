"""The declaration of a stage: what a node of a graph does, as a value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias, TypeGuard

from flowload.errors import GraphError, NoLength

from .amount import Amount, together
from .needs import Need
from .operators import Block, OnError, Operator, Setting

__all__ = ["Joins", "Share", "Stage", "check_counts", "check_flags", "share", "whole"]

Joins: TypeAlias = Literal["before", "within", "behind"]  #: see `Stage.joins`


#: Parameters that may change between two runs of one stream.
FREE = ("workers", "runs_in", "on_error", "max_errors", "prefetch", "payload")


class Share(NamedTuple):
    """Which part of the stream a stage lets pass: that of one rank of a training."""

    rank: int
    world: int  #: ranks
    even: bool  #: all ranks get the same number of samples, as long as nothing behind leaves any out
    lanes: int | None = None  #: fixed shares of the stream that ranks have several of; None: one a rank


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The declaration of what one node does: a value that can be compared, printed and opened many times.

    A subclass is a frozen dataclass in one file of `flowload/stages`, beside the word that users call.

    Args:
        workers: calls that may run at once; None: as many as the run has CPUs.
        on_error: what a `DataError` does: "raise" ends the run, "skip" counts it as dropped.
        max_errors: under "skip": how many (int), or which share of the stage's input (float below 1),
            may be skipped before the run ends with `TooManyErrors`; None: any number.

    Examples:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True, kw_only=True)
        ... class Double(fl.Stage):
        ...     word = "double"
        ...     accepts = (fl.Batch,)
        ...     makes = fl.Batch
        ...     def open(self, setting):
        ...         return [self]
        ...     def apply(self, block, call):
        ...         return fl.Batch({"x": block["x"] * 2})
        >>> graph = fl.rows({"x": np.arange(3)}) >> fl.batch(3) >> fl.place(Double())
        >>> with graph.iterate() as batches:
        ...     print(next(batches)["x"])
        [0 2 4]
    """

    word: ClassVar[str] = "stage"  #: what users call it; names its nodes
    accepts: ClassVar[tuple[type, ...]] = ()  #: port types that its inputs take; empty: it is a source
    makes: ClassVar[type | None] = None  #: what its lone output carries; None: `gives` says it
    fan_in: ClassVar[bool] = False  #: takes several inputs
    executor: ClassVar[str] = "kernel"  #: where its calls run: "kernel" (as many threads as CPUs) or "io"
    growing: ClassVar[bool] = False  #: a source that may never end; a field or property may override it
    retells: ClassVar[bool] = False  #: it grows, and a run over it can go on: see `growing.Retelling`
    #: What its operators draw is keyed by the number of the pass already: else the run does that.
    keyed_by_pass: ClassVar[bool] = False
    bundles: ClassVar[bool] = False  #: takes several batches as one block; a property may override it
    keeps: ClassVar[bool] = False  #: gives as many samples for as many, whatever they are; see `uneven`
    cuts: ClassVar[bool] = False  #: gives as many blocks for as many samples
    #: Raised whenever the same data, parameters and seed make another stream than before: states notice.
    stream_version: ClassVar[int] = 1
    alike: ClassVar[bool] = False  #: a block has as many samples as the one that it is made of, if any
    across: ClassVar[bool] = False  #: its blocks have samples of every lane; a property may override it
    intact: ClassVar[bool] = False  #: records go through as they are: each is still what its origin names

    workers: int | None = None
    on_error: OnError = "raise"
    max_errors: int | float | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and not (whole(self.workers) and self.workers >= 1):
            raise GraphError(f"{self.word}: workers is {self.workers!r}; wanted a number from 1, or None")
        if self.on_error not in ("raise", "skip"):
            raise GraphError(f"{self.word}: on_error is {self.on_error!r}; wanted 'raise' or 'skip'")
        limit = self.max_errors
        if limit is not None and not ((whole(limit) and limit >= 0) or share(limit)):
            raise GraphError(
                f"{self.word}: max_errors is {limit!r}; wanted a count (int) or a share below 1.0 (float)"
            )
        if limit is not None and self.on_error != "skip":
            raise GraphError(f"{self.word}: max_errors needs on_error='skip'")

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:  # noqa: ARG002 - the subclass's to use
        """Output port names and what they carry, given what the inputs carry.

        A lone output is named "out". An input that is not joined yet carries `object`.
        """
        if self.makes is not None:
            return {"out": self.makes}
        raise GraphError(f"{self.word}: {type(self).__name__} has no gives(), and no makes: what comes out?")

    def open(self, setting: Setting) -> Sequence[Operator]:  # noqa: ARG002 - as above
        """The operators of one run, in order."""
        raise GraphError(f"{self.word}: {type(self).__name__} has no open(); it makes a run's operators")

    def memory(self, setting: Setting) -> int:  # noqa: ARG002 - subclasses that hold memory need it
        """Bytes that one run of this stage holds at most, blocks in flight included."""
        return 0

    def needs(self, setting: Setting) -> Iterable[Need]:  # noqa: ARG002 - subclasses that run kernels need it
        """Kernels that its operators call, see `Compiled`: what takes long to compile, or all."""
        return ()

    def joins(self, setting: Setting) -> Joins:  # noqa: ARG002 - subclasses look around
        """Where the lanes of a stream (see `fl.shard`) may become one: as early as it makes no difference.

        "before" a stage that makes of each block one, whatever came before; "within" one whose last operator
        does so; "behind" any other: every lane has operators of its own.
        """
        return "behind"

    def joined(self, setting: Setting) -> Callable[[Sequence[Block]], Sequence[Block]]:  # noqa: ARG002
        """What makes, "within" this stage, of a round (a block of each lane here, in order) what goes on."""
        return list

    def share(self) -> Share | None:
        """Which part of the stream it lets pass, where it shares it between ranks; None: all of it.

        Raises GraphError where the environment makes no sense.
        """
        return None

    def remembered(self) -> Mapping[str, object]:
        """Parameters that its stream depends on, which a state compares when a run goes on.

        Neither how it is worked on nor what bad data do, which may change between two runs. Where data lie
        is left out of the values: texts that are absolute paths, and fields named `path`, `root` and so on.
        """
        return {name: value for name, value in vars(self).items() if name not in FREE}

    def uneven(self, setting: Setting) -> str | None:  # noqa: ARG002 - subclasses look around
        """Why ranks may get different numbers of samples from it, though each gives it as many.

        None: they do not; or, where it is not said that it `keeps` their number, only a run can tell.
        """
        return "on_error='skip' leaves out what is bad" if self.on_error == "skip" else None

    def amount(self, incoming: Sequence[Amount], setting: Setting, opened: ExitStack) -> Mapping[str, Amount]:  # noqa: ARG002
        """How much each output gives in `setting.epochs` passes, given what comes in; for `len(graph)`.

        Reads no sample. Tables that it opens are put on `opened`, which is closed when all stages were asked.
        As it stands, all that comes in, where a stage `keeps` the number of samples.

        Raises NoLength where only a run can tell.
        """
        if self.keeps or self.alike:
            whole = incoming[0] if len(incoming) == 1 else together(incoming)
            names = self.gives([object] * len(incoming))
            return dict.fromkeys(names, whole.doubted(self.uneven(setting)))
        raise NoLength(f"{self.word!r} decides how many samples it gives when it runs")

    def parameters(self) -> Mapping[str, object]:
        """What to print beside the word: the fields that have no default or are not at it."""
        return {
            item.name: value
            for item in fields(self)
            if item.init and item.repr and not is_default(item, value := getattr(self, item.name))
        }


def whole(value: object) -> TypeGuard[int]:
    """A bool is an int to Python, but never a count."""
    return isinstance(value, int) and not isinstance(value, bool)


def check_counts(word: str, **values: object) -> None:
    """Raise GraphError that names the first of these parameters of a word that is no whole number from 1."""
    for name, value in values.items():
        if not whole(value) or value < 1:
            raise GraphError(f"{word}: {name} is {value!r}; wanted a number from 1")


def check_flags(word: str, **values: object) -> None:
    """Raise GraphError that names the first of these parameters of a word that is neither True nor False."""
    for name, value in values.items():
        if not isinstance(value, bool):
            raise GraphError(f"{word}: {name} is {value!r}; wanted True or False")


def share(value: object) -> TypeGuard[float]:
    """Part of a whole: 0.0 to below 1.0."""
    return isinstance(value, float) and 0 <= value < 1


def is_default(item: Field[Any], value: object) -> bool:
    """Whether a field holds its default."""
    default = item.default
    if default is MISSING and item.default_factory is not MISSING:
        default = item.default_factory()
    # Types first: an array compared with a default is an array, not a yes or no.
    return value is default or (type(value) is type(default) and bool(value == default))
