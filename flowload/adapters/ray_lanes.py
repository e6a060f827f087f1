"""Lanes of a stream that Ray actors make: what `graph.on_ray()` calls."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeAlias

from flowload.abc.stage import whole
from flowload.errors import GraphError, ProcessDied
from flowload.graph.on_ray import OnRay, Placement
from flowload.runtime.elsewhere.worker import LaneWorker
from flowload.runtime.elsewhere.workers import Answer, Asked, Start

from .ray_library import ray

__all__ = ["RayWorker", "capacity_of", "start_of"]

log = logging.getLogger("flowload")

Options: TypeAlias = Mapping[str, Any]  #: of Ray's actors


def start_of(how: OnRay) -> Start:
    """What starts the actors. Raises GraphError for a placement or a number of CPUs that makes no sense."""
    if isinstance(how.placement, str) and how.placement not in ("spread", "near", "cpu"):
        raise GraphError(
            f"placement is {how.placement!r}; wanted 'spread', 'near', 'cpu', or the options of Ray's actors"
        )
    if not whole(how.cpus) or how.cpus < 1:
        raise GraphError(f"cpus is {how.cpus!r}; wanted a number from 1")
    return partial(RayWorker, how.placement, how.cpus)


class LaneActor:
    """A `LaneWorker` in an actor: blocks in one thread, questions about it in another."""

    def __init__(self, asked: bytes) -> None:
        self.worker = LaneWorker(asked)

    def make(self, what: str, *given: Any) -> Answer:
        """Begin, or give blocks: one call after the other."""
        return self.worker.do(what, *given)

    def tell(self, what: str, *given: Any) -> Answer:
        """How it goes, while blocks are made."""
        return self.worker.do(what, *given)


class RayWorker:
    """A worker of a run's lanes in an actor.

    Args:
        placement: where; see `Graph.on_ray`.
        cpus: that it has.
        asked: what it makes.
    """

    def __init__(self, placement: Placement, cpus: int, asked: Asked) -> None:
        connected()
        self.where = f"Ray actor {asked.number} of {asked.workers}"
        kind = ray().remote(concurrency_groups={"make": 1, "tell": 1})(LaneActor)
        options = {"num_cpus": cpus, "max_restarts": 0, **options_of(placement, asked.number)}
        self.actor = kind.options(**options).remote(pickle.dumps(asked))

    def ask(self, what: str, *given: Any) -> Future[Answer]:
        """See `Worker`."""
        group = "make" if what in ("begin", "take") else "tell"
        method = getattr(self.actor, group).options(concurrency_group=group)
        found: Future[Answer] = Future()
        method.remote(what, *given).future().add_done_callback(partial(self.answered, found))
        return found

    def answered(self, found: Future[Answer], told: Future[Answer]) -> None:
        """Hand on what came; of what Ray says why nothing did, the line that says it."""
        try:
            answer = told.result()
        except Exception as error:  # noqa: BLE001 - whatever Ray has for it
            lines = [line.strip() for line in str(error).splitlines()]
            why = next((line for line in lines if line.startswith("The actor is dead because")), lines[0])
            why = why.partition(" Some common causes")[0]  # of any death
            died = ProcessDied(f"{self.where} died, or what it gave is lost ({type(error).__name__}): {why}")
            died.__cause__ = error
            found.set_exception(died)
        else:
            found.set_result(answer)

    def kill(self) -> None:
        """See `Worker`."""
        if ray().is_initialized():  # else it has gone with the cluster
            ray().kill(self.actor, no_restart=True)


def options_of(placement: Placement, number: int) -> Options:
    """How an actor is placed, in Ray's own words. Raises GraphError where no node is such."""
    if not isinstance(placement, str):
        return placement
    if placement == "spread":
        return {"scheduling_strategy": "SPREAD"}
    if placement == "near":
        return on_node(ray().get_runtime_context().get_node_id())
    nodes = [each for each in ray().nodes() if each["Alive"] and not each["Resources"].get("GPU")]
    if not nodes:
        raise GraphError("placement is 'cpu', and every node of the cluster has GPUs")
    return on_node(sorted(each["NodeID"] for each in nodes)[number % len(nodes)])


def capacity_of(how: OnRay) -> int | None:
    """How many actors the nodes of the cluster hold if nothing else uses them; None: that cannot be told.

    They may be fewer where options say which nodes will do: those that find no room are waited for.
    """
    options = {} if isinstance(how.placement, str) else how.placement
    needs = {"CPU": options.get("num_cpus", how.cpus), "GPU": options.get("num_gpus", 0)}
    needs |= {"memory": options.get("memory", 0), **options.get("resources", {})}
    needs = {name: need for name, need in needs.items() if need}
    if not needs:
        return None
    try:
        nodes = connected().nodes()
    except ray().exceptions.RayError as error:
        log.warning("Ray does not say which nodes it has: %s", error)
        return None
    found = 0
    for node in nodes:
        has = node["Resources"]
        if node["Alive"] and not (how.placement == "cpu" and has.get("GPU")):
            found += min(int(has.get(name, 0) / need + 1e-9) for name, need in needs.items())
    return found


def connected() -> Any:
    """Ray, with a cluster: one of this machine where there is none."""
    if not ray().is_initialized():
        ray().init()
    return ray()


def on_node(node: str) -> Options:
    """On a node, by preference: where it has no room, on any other."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415 - an extra

    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node_id=node, soft=True)}
