"""A graph is a drawing made with `>>`: a frozen value that can be compared, printed and run many times."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from flowload.abc.operators import State
from flowload.errors import GraphError
from flowload.graph.inspect.countable import Countable
from flowload.graph.inspect.describable import Describable

from .clusters import Clusters
from .drop import Drop
from .engine import Engine, Even, OnChange, RunOrder
from .faces import Batches, Stream
from .flow import UNKNOWN, Ends, Flow, outputs_of, read_flow
from .join import join, no_graph, rename, restage
from .keywords import names_keywords
from .names import check_node_name, near
from .node import Node, Port, Stage
from .plan import Plan, make_plan
from .user_line import user_line

__all__ = ["Graph", "as_graph", "place"]


@dataclass(frozen=True, eq=False, repr=False)
class Graph(Describable, Countable, Clusters):
    """A drawing by its open ends; everything before them hangs on them by reference.

    Args:
        ends: the outputs that are not joined yet, by name.
        sinks: nodes without an output that belong to the drawing, such as what `drop` makes.

    `head >> tail` joins two graphs, `[left, right] >> fl.merge()` several; `graph["train"]` is the same
    drawing with that one end, and so is `graph.train`, which type checkers cannot tell from a misspelt word,
    and refuse. Raises GraphError as soon as a wiring is wrong.

    Examples:
        >>> graph = fl.rows({"x": np.arange(10)}) >> fl.shuffle() >> fl.batch(4)
        >>> [row["name"] for row in graph.describe()]
        ['rows', 'shuffle', 'batch']
        >>> with graph.iterate(seed=0) as batches:
        ...     print(sum(len(batch["x"]) for batch in batches))
        10
    """

    engine: ClassVar[Engine[Graph] | None] = None  #: what runs graphs; bound by the package
    __iter__: ClassVar[None] = None  # a drawing holds no batches; `graph.iterate()` does

    ends: Ends
    sinks: tuple[Node, ...] = ()
    flow: Flow = field(init=False)
    loaded: Mapping[str, Any] | None = field(init=False, default=None)  #: pipeline file and options

    def __post_init__(self) -> None:
        flow = read_flow(self.ends, self.sinks)
        object.__setattr__(self, "flow", flow)
        # The same sink comes from every branch of the drawing that it belongs to.
        object.__setattr__(self, "sinks", tuple({flow.index[sink]: sink for sink in self.sinks}.values()))

    # --- building -----------------------------------------------------------------------------------

    def __rshift__(self, tail: object) -> Graph:
        return Graph(*join([self], as_graph(tail, "right")))

    def __rrshift__(self, heads: object) -> Graph:
        if not isinstance(heads, list | tuple):
            raise GraphError(f"'>>' joins graphs; on its left is {heads!r}")
        if not heads:
            raise GraphError("'[...] >>' joins several graphs; on its left is an empty list")
        return Graph(*join([as_graph(head, "left") for head in heads], self))

    def __getitem__(self, name: str) -> Graph:
        for own, port in self.ends:
            if own == name:
                return Graph(((own, port),), self.sinks)
        hint = near(name, dict(self.ends))
        raise GraphError(f"this graph has no output {name!r}; it has {self.end_names()}{hint}")

    if not TYPE_CHECKING:  # a type checker would take every misspelt word for an output

        def __getattr__(self, name: str) -> Graph:
            # Only names that the class does not have come here; copy and pickle ask before there are ends.
            ends = dict(self.__dict__.get("ends", ()))
            if name in ends:
                return self[name]
            hint = "" if name.startswith("_") else near(name, [*ends, *dir(type(self))])
            said = f"a graph has no attribute {name!r}; this one has the outputs {', '.join(ends)}"
            raise AttributeError(said + hint)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *dict(self.ends)]

    def _ipython_key_completions_(self) -> list[str]:  # what `graph["<TAB>` gives
        return list(dict(self.ends))

    def named(self, name: str) -> Graph:
        """This drawing, with a name for its last node."""
        check_node_name(name)
        return Graph(*rename(self, name))

    def restaged(self, name: str, stage: Stage) -> Graph:
        """This drawing with another stage at the place of this name: for a run in several processes."""
        graph = Graph(*restage(self, name, stage))
        object.__setattr__(graph, "loaded", self.loaded)
        return graph

    def drop(self, *names: str) -> Graph:
        """End outputs knowingly (all, or those named): their samples are counted as dropped, "unused"."""
        wanted = tuple(dict.fromkeys(names)) or tuple(name for name, _ in self.ends)
        if not wanted:
            raise GraphError("drop() ends outputs, and this graph has none")
        dropped = [self[name] >> place(Drop()) for name in wanted]
        sinks = tuple(node for graph in dropped for node in graph.sinks)
        return Graph(tuple(end for end in self.ends if end[0] not in wanted), sinks)

    def end_names(self) -> str:
        """The outputs' names, for messages."""
        return ", ".join(repr(name) for name, _ in self.ends) or "none"

    @cached_property
    def plan(self) -> Plan:
        """The drawing in its compiled, plain form: what a run executes."""
        return make_plan(self.flow, self.ends)

    # --- running ------------------------------------------------------------------------------------

    @names_keywords
    def iterate(  # noqa: PLR0913 - how to run, where to begin, what to keep
        self,
        *,
        seed: int = 0,
        epochs: int | None = 1,
        first_epoch: int = 0,
        align: bool = False,
        even: Even = "auto",
        state: State | None = None,
        on_change: OnChange = "refuse",
        capsules: str | os.PathLike[str] | None = None,
        cpus: int | None = None,
        process: bool = False,
    ) -> Batches:
        """A run for a `with` block, in any thread; read once. Loops over epochs open a run for each, or one.

        ```python
        for epoch in range(3):
            with graph.iterate(seed=0, first_epoch=epoch) as batches:   # another order each time
                ...
        with graph.iterate(seed=0, epochs=3, align=True) as batches:    # the same batches, read ahead
            for batch in batches:
                batches.epoch                                           # 0, then 1, then 2
        ```

        Args:
            seed: everything random follows from it; 0 to 2**64 - 1.
            epochs: passes over the data; None: until stopped.
            first_epoch: number of the first pass: its order, and the records that `unpack` samples in it, are
                those of that pass of the seed.
            align: no batch has samples of two passes: at the end of each pass every stage gives what it
                holds, as at the end of the stream (`drop_last` drops a smaller last batch of each). The next
                pass is read ahead all the same. False: samples that wait at the end of a pass go on with
                those of the next.
            even: what ranks do that share the data by `shard()` and might end in different steps, because a
                stage behind it leaves samples out (a filter, `on_error="skip"`): one that ends first leaves
                the others waiting in their next collective operation. "auto": under a torch process group
                they agree at every step, one batch ahead, over a group of their own: all end with the one
                that has the fewest full batches, and what others have more is counted as "cut to equal
                ranks". All ranks must open the run; one that fails or leaves ends it for all, by a RankError
                that names it, and one that dies or hangs by what gloo says, after its timeout at the latest.
                Without such a group a graph that may end unevenly is refused. "allow": ranks may differ, and
                do not wait for each other; for a run on one rank alone, such as validation.
            state: what `state_dict()` of an earlier run gave: go on from there.
            on_change: what a state does that was saved over other data, parameters, code, ranks or passes,
                and so would go on with another stream. "refuse": an error names what differs. "accept": that
                is logged, and the run goes on as far into its own stream, for who knows better.
            capsules: a folder for capsules: small files, at most 20 a run, of what calls failed at: bad
                records, errors, stalls. `flowload replay FILE` makes the call again, alone.
            cpus: CPUs to use; None: those that this process may use.
            process: whether the run has a process of its own, which nothing of the training's Python holds
                up: the same stream, state, statistics and errors. Batches are views of memory that both map,
                and a last `to_device` copies from there, page-locked, in the process that reads. Functions
                of a script or a notebook need `pip install 'flowload[processes]'`.
        """
        order = RunOrder(
            seed=seed,
            epochs=epochs,
            first_epoch=first_epoch,
            align=align,
            even=even,
            state=state,
            on_change=on_change,
            capsules=capsules,
            cpus=cpus,
            process=process,
        )
        return self.bound_engine().iterate(self, order)

    @names_keywords
    def stream(  # noqa: PLR0913 - as above
        self,
        *,
        seed: int = 0,
        epochs: int | None = 1,
        first_epoch: int = 0,
        align: bool = False,
        even: Even = "auto",
        state: State | None = None,
        on_change: OnChange = "refuse",
        capsules: str | os.PathLike[str] | None = None,
        cpus: int | None = None,
        process: bool = False,
    ) -> Stream:
        """A run for an `async with` block; the arguments are those of `iterate`."""
        order = RunOrder(
            seed=seed,
            epochs=epochs,
            first_epoch=first_epoch,
            align=align,
            even=even,
            state=state,
            on_change=on_change,
            capsules=capsules,
            cpus=cpus,
            process=process,
        )
        return self.bound_engine().stream(self, order)

    @names_keywords
    def as_torch_dataset(
        self,
        *,
        seed: int = 0,
        epochs: int | None = 1,
        length: int | None = None,
        even: Even = "auto",
        cpus: int | None = None,
    ) -> Any:
        """An `IterableDataset` of whole batches: `DataLoader(dataset, batch_size=None, num_workers=0)`.

        Each time that it is iterated is the next pass of the seed, and so has another order. It has
        `set_epoch`, `state_dict` and `load_state_dict`. A graph has workers of its own: in a worker process
        of a loader it raises GraphError.

        On several ranks Lightning lets each read its own: put `fl.shard()` into the graph. Accelerate, and so
        Hugging Face's `Trainer`, deals the batches of one stream to all ranks itself: leave `fl.shard()` out
        (there it raises GraphError, for most of the data would never be seen), and give as `length` the
        batches of the whole. As it stands, rank 0 reads for all, and every sample comes once; with
        `accelerator_config={"dispatch_batches": False}` every rank reads everything and keeps its part, and
        Accelerate repeats batches where their number is no multiple of the ranks.

        Args:
            seed: everything random follows from it.
            epochs: passes over the data in one iteration; None: until stopped.
            length: batches of an iteration, for trainers that ask `len()`; None: that raises TypeError.
                Lightning fetches a batch ahead where there is none: its checkpoints are exact only with it.
            even: see `iterate`.
            cpus: see `iterate`.
        """
        order = RunOrder(seed=seed, epochs=epochs, even=even, cpus=cpus)
        return self.bound_engine().torch_dataset(self, order, length=length)

    def bound_engine(self) -> Engine[Graph]:
        """The engine that runs graphs. Raises GraphError where none is bound."""
        if Graph.engine is None:
            raise GraphError("no engine is bound to Graph.engine; `import flowload` binds its own")
        return Graph.engine


@names_keywords
def place(stage: Stage, *, name: str | None = None) -> Graph:
    """A graph of one node: what every word such as `fl.read` returns.

    The line of the user's code that called the word is kept for messages.

    Examples:
        >>> from flowload.stages.rows.shuffle import ShuffleStage
        >>> fl.place(ShuffleStage()) == fl.shuffle()
        True
    """
    if name is not None:
        check_node_name(name)
    node = Node(stage, (None,) if stage.accepts else (), name, user_line())
    ports = list(outputs_of(node, name or stage.word, [UNKNOWN] * len(node.inputs)))
    ends = tuple((port, Port(node, port)) for port in ports)
    return Graph(ends, () if ports else (node,))


def as_graph(value: object, side: str) -> Graph:
    """The operand as a graph. Raises GraphError that says how to make it one."""
    if isinstance(value, Graph):
        return value
    raise no_graph(value, side)
