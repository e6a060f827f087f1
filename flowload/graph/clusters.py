"""What can be asked of a drawing about clusters: a run whose lanes are made there, and a source for them."""

from __future__ import annotations

from typing import Any, Literal

from flowload.abc.operators import State
from flowload.graph.keywords import names_keywords

from .engine import Engine, Even, OnChange, RunOrder
from .on_ray import ClusterBatches, OnRay, Placement

__all__ = ["Clusters"]


class Clusters:
    """Gives graphs `on_ray` and `as_ray_datasource`."""

    __slots__ = ()

    def bound_engine(self) -> Engine[Any]:
        """The engine that runs graphs."""
        raise NotImplementedError

    @names_keywords
    def on_ray(  # noqa: PLR0913 - how to run, and where
        self,
        *,
        workers: int | Literal["cluster"] = 4,
        lanes: int | None = None,
        bytes_ahead: int = 1 << 30,
        cut: str | None = None,
        placement: Placement = "spread",
        cpus: int = 1,
        seed: int = 0,
        epochs: int | None = 1,
        first_epoch: int = 0,
        align: bool = False,
        even: Even = "auto",
        state: State | None = None,
        on_change: OnChange = "refuse",
    ) -> ClusterBatches:
        """A run whose lanes are made by actors on a Ray cluster; `pip install 'flowload[ray]'`.

        It has the face of `iterate` in a `with` block, and that of `stream` in an `async with` block. Actors
        run the graph up to where its lanes (see `fl.shard`) come together, such as packed positions that are
        not encoded yet; what is behind runs here. The stream is that of the same graph with the same lanes in
        one process, for any number of actors, and so is its state. An actor that is killed, or whose node is,
        is replaced, by one that goes on with what the reader has not had: nothing comes twice, and nothing is
        lost. Where there is no room for another, those that live make its lanes, too, until there is.

        Files must be found under the same paths, and flowload, on the nodes of the cluster; without one
        (`ray.init`, or RAY_ADDRESS) Ray starts one on this machine.

        Args:
            workers: actors; a number that divides the lanes; fewer while there is no room for all. "cluster":
                as many as the nodes of the cluster hold, and others when nodes come or go.
            lanes: of the stream; None: those of the graph's `fl.shard(lanes=...)`, or 24 where it has none.
            bytes_ahead: what lies in Ray's object store, or has come and waits, at most.
            cut: name of the node that lanes leave behind, where they would leave before its last step: with
                `cut="batch"` batches are encoded by the actors, which costs several times the bytes.
            placement: "spread": over all nodes; "near": on this one, as far as it has room; "cpu": on nodes
                without GPUs; or options of Ray's actors, such as `{"resources": {"loader": 1}}`.
            cpus: of each actor.
            seed, epochs, first_epoch, align, even, state, on_change: see `iterate`.

        Raises GraphError for a graph that has no lanes, or whose lanes leave it in several places.

        Examples:
            >>> graph = fl.rows({"x": np.arange(96)}) >> fl.shuffle() >> fl.batch(4)
            >>> graph.on_ray(workers=5, lanes=8)
            Traceback (most recent call last):
            flowload.errors.GraphError: 8 lanes cannot be shared by 5 workers; numbers that can: 1, 2, 4, 8
        """
        order = RunOrder(
            seed=seed,
            epochs=epochs,
            first_epoch=first_epoch,
            align=align,
            even=even,
            state=state,
            on_change=on_change,
        )
        how = OnRay(
            workers=workers, lanes=lanes, bytes_ahead=bytes_ahead, cut=cut, placement=placement, cpus=cpus
        )
        return self.bound_engine().on_ray(self, order, how)

    @names_keywords
    def as_ray_datasource(
        self, *, lanes: int | None = None, seed: int = 0, epochs: int = 1, cpus: int = 1
    ) -> Any:
        """A source for `ray.data.read_datasource`: each batch becomes a block, each lane a read task.

        For what else Ray Data does. It promises no order, whatever `preserve_order` says of tasks, and keeps
        no state: a job that starts anew reads everything again. Training is better served by `on_ray`.

        Args:
            lanes: see `on_ray`; each is read by one task.
            seed, epochs: see `iterate`.
            cpus: of each task.

        Raises GraphError for a graph that has no lanes, MissingExtra without Ray.
        """
        return self.bound_engine().ray_datasource(
            self, RunOrder(seed=seed, epochs=epochs, cpus=cpus), lanes=lanes
        )
