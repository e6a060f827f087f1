"""What can be asked of a drawing about the batches that it would give: how many, and the first."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from flowload.errors import NoDataError
from flowload.graph.keywords import names_keywords

from .length import length_of

if TYPE_CHECKING:
    from flowload.graph.engine import Even
    from flowload.graph.faces import Batches
    from flowload.graph.plan import Plan

__all__ = ["Countable"]


class Countable:
    """Gives graphs `len` and `peek`."""

    __slots__ = ()

    @property
    @abstractmethod
    def plan(self) -> Plan:
        """The drawing in its compiled form."""

    @abstractmethod
    def drop(self, *names: str) -> Countable:
        """The drawing without some outputs."""

    @abstractmethod
    def iterate(self, *, seed: int = 0, even: Even = "auto") -> Batches:
        """A run of the drawing; see `Graph.iterate`."""

    def __len__(self) -> int:
        """Batches of one pass, where arithmetic knows; nothing is read but headers, and nothing runs.

        Counts rows, splits, ranks, buckets, windows and a smaller last batch. Raises NoLength, a TypeError
        that says which stage decides it when it runs: one that inflates games, a filter, `on_error="skip"`.
        `operator.length_hint(graph)` gives the number that it would be if nothing were left out, or 0.

        Examples:
            >>> import flowload as fl
            >>> len(fl.rows(100) >> fl.batch(32))
            4
        """
        return length_of(self.plan).exact()

    def __length_hint__(self) -> int:
        return length_of(self.plan).blocks

    def __bool__(self) -> bool:
        return True  # whatever its length

    @names_keywords
    def peek(self, *, seed: int = 0) -> Any:
        """One batch, the first that `iterate(seed=seed)` gives; of several outputs a dict of them.

        The run that gave it is over then and has left nothing behind. Raises NoDataError where there is none.

        Examples:
            >>> import flowload as fl
            >>> (fl.rows(100) >> fl.batch(3)).peek()["index"].tolist()
            [0, 1, 2]
        """
        names = [end.name for end in self.plan.ends]
        if len(names) != 1:  # each is run by itself: they would hold each other back
            others = {name: [other for other in names if other != name] for name in names}
            return {name: self.drop(*others[name]).peek(seed=seed) for name in names}
        with self.iterate(seed=seed, even="allow") as batches:
            for batch in batches:
                return batch
        raise NoDataError("no batch", where="peek", found="the end of the stream", wanted="at least one")
