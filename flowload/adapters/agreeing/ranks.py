"""The ranks of a training end in the same step: they agree over a process group of torch's."""

from __future__ import annotations

import atexit
import logging
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flowload.abc.stage import Share
from flowload.errors import RankError
from flowload.graph import Graph, Plan, place
from flowload.runtime.ranks import Joined, Ranks
from flowload.stages.batches.batch import BatchStage
from flowload.stages.device.to_device import ToDeviceStage
from flowload.stages.user.map import MapStage
from flowload.stages.wiring.equal_ranks import NOBODY, Agreement, EqualRanksStage, farewell

if TYPE_CHECKING:
    import torch
    import torch.distributed as dist

__all__ = ["GroupAgreement", "TorchRanks", "equalised", "full_size"]

log = logging.getLogger("flowload")

PATIENCE = 5.0  #: seconds after which a rank says that it waits for the others to open the run


class TorchRanks(Ranks):
    """Finds the default process group, if the training has initialised one."""

    def __init__(self) -> None:
        super().__init__()
        self.left: list[GroupAgreement] = []  # of runs that are over, whose groups may be in use elsewhere

    @property
    def others(self) -> bool:
        """Whether there is a process group of several."""
        group = process_group()
        return group is not None and group.get_world_size() > 1

    def world(self) -> int:
        """Ranks of the process group; without one, of the environment."""
        group = process_group()
        return super().world() if group is None else max(super().world(), group.get_world_size())

    def join(self, graph: Graph, outputs: Sequence[str], share: Share) -> Joined | str:
        """Make a group for each of these outputs. Waits until all ranks do the same."""
        group = process_group()
        if group is None:
            return super().join(graph, outputs, share)
        rank, world = group.get_rank(), group.get_world_size()
        if (rank, world) != (share.rank, share.world):
            return (
                f"this is rank {rank} of {world} of the torch process group, and rank {share.rank} of"
                f" {share.world} of shard()"
            )
        self.left = [agreement for agreement in self.left if not agreement.forget()]
        with Telling(rank, world):
            agreements = {name: GroupAgreement(group) for name in outputs}
        self.left += agreements.values()

        def leave() -> None:
            for agreement in agreements.values():
                agreement.stop(farewell(rank, failed=True))

        return Joined(equalised(graph, agreements, rank), leave)


def process_group() -> Any:
    """`torch.distributed`, if it has a default group; torch is not imported for it: then there is none."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return distributed


class Telling:
    """While inside for long: say that this rank waits for the others."""

    def __init__(self, rank: int, world: int) -> None:
        self.timer = threading.Timer(
            PATIENCE,
            log.warning,
            [
                "rank %d waits for the other %d ranks to open this run, too: they agree when to end, because"
                " a stage behind shard() may leave samples out; even='allow' lets one rank run alone",
                rank,
                world - 1,
            ],
        )
        self.timer.name = "flowload-waits-for-ranks"
        self.timer.daemon = True

    def __enter__(self) -> None:
        self.timer.start()

    def __exit__(self, *_: object) -> None:
        self.timer.cancel()
        self.timer.join()


def group_of_all(distributed: Any) -> Any:
    """A gloo group of all ranks, connected on each of them. Waits for all.

    `new_group` returns while others may still connect: of those that left at once, such as with an error that
    every rank has, others heard "connection closed by peer" (1 of 8 times on busy cores). So all meet in it.
    """
    group = distributed.new_group(backend="gloo", timeout=timeout_of(distributed))
    distributed.barrier(group)
    return group


class GroupAgreement:
    """Exchanges over a gloo group of all ranks, one at a time. Making one waits for all ranks.

    An exchange that is begun cannot be taken back. So a rank that stops leaves it to whoever completes it to
    give the others its last numbers: nobody waits for somebody who has gone, and nobody who goes waits.
    """

    def __init__(self, distributed: Any) -> None:
        self.distributed = distributed
        self.group = group_of_all(distributed)
        self.lock = threading.Lock()
        self.news = threading.Event()
        self.under_way: dist.Work | None = None
        self.result: Any = None  # of the last exchange: numbers, or what went wrong
        self.last_words: Sequence[int] | None = None  # still to be said
        self.stopped = threading.Event()
        self.over = False  # somebody has said their last words: nobody takes part any more
        self.closed = False
        self.idle = threading.Event()  # no exchange is under way, and none will be
        self.idle.set()
        # An exchange that ends when the interpreter has ended would call into it, which aborts the process.
        # Destroying the group waits for the exchange in any case.
        atexit.register(self.idle.wait)

    def least(self, numbers: Sequence[int]) -> Sequence[int] | None:
        """See `Agreement`."""
        with self.lock:
            if self.stopped.is_set():
                return None
            self.news.clear()
            future, tensor = self.begin(numbers)
        future.add_done_callback(lambda done: self.completed(done, tensor))
        self.news.wait()
        with self.lock:
            if self.stopped.is_set():
                return None
            result, self.result = self.result, None
        if isinstance(result, BaseException):
            raise RankError(f"the other ranks cannot be reached any more: {result}") from result
        return [int(number) for number in result]

    def begin(self, numbers: Sequence[int]) -> tuple[Any, torch.Tensor]:
        """Begin an exchange; inside the lock."""
        import torch  # noqa: PLC0415 - there is a process group, so it is loaded

        tensor = torch.tensor(list(numbers), dtype=torch.int64)
        operation = self.distributed.ReduceOp.MIN
        self.under_way = self.distributed.all_reduce(tensor, operation, group=self.group, async_op=True)
        self.idle.clear()
        return self.under_way.get_future(), tensor

    def completed(self, future: Any, tensor: torch.Tensor) -> None:
        """An exchange is over; in a thread of the group's."""
        try:
            future.value()
            result: Any = tensor.tolist()
        except RuntimeError as error:  # torch raises no other where a connection is lost, or time is up
            result = error
        with self.lock:
            self.under_way = None
            self.result = result
            self.over = not isinstance(result, list) or min(result[2:]) < NOBODY
            words, self.last_words = self.last_words, None
            last = words is None or self.over
        self.news.set()
        if words is not None and not last:
            self.say(words)
        else:
            self.idle.set()

    def say(self, words: Sequence[int]) -> None:
        """Begin an exchange whose outcome nobody waits for."""
        with self.lock:
            try:
                future, tensor = self.begin(words)
            except RuntimeError:  # the group is broken, so others know
                self.idle.set()
                return
        future.add_done_callback(lambda done: self.completed(done, tensor))

    def stop(self, numbers: Sequence[int]) -> None:
        """See `Agreement`."""
        with self.lock:
            if self.stopped.is_set():
                return
            self.stopped.set()
            now = self.under_way is None and not self.over
            if self.under_way is not None:
                self.last_words = numbers
        self.news.set()
        if now:
            self.say(numbers)

    def close(self) -> None:
        """See `Agreement`; the group is let go when nothing of it is under way: see `forget`."""
        self.closed = True

    def forget(self) -> bool:
        """Let the group go, if the run is over and it is not in use; whether it has gone."""
        with self.lock:
            if not self.closed or self.under_way is not None:
                return False
        atexit.unregister(self.idle.wait)
        if self.distributed.is_initialized():
            self.distributed.destroy_process_group(self.group)
        return True


def timeout_of(distributed: Any) -> timedelta | None:
    """That of the training's own group, if it is longer than the default: an exchange may wait for a step."""
    from torch.distributed.constants import default_pg_timeout  # noqa: PLC0415 - it is loaded

    backend = getattr(distributed.group.WORLD, "_get_backend", None)
    try:
        import torch  # noqa: PLC0415 - it is loaded

        device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
        own = None if backend is None else backend(torch.device(device)).options._timeout  # noqa: SLF001
    except (AttributeError, RuntimeError):
        own = None
    return max(own, default_pg_timeout) if isinstance(own, timedelta) else default_pg_timeout


def equalised(graph: Graph, agreements: Mapping[str, Agreement], rank: int) -> Graph:
    """The same graph, whose outputs end when those of the other ranks do."""
    ends, sinks = [], list(graph.sinks)
    for name, port in graph.ends:
        if name in agreements:
            stage = EqualRanksStage(agreement=agreements[name], rank=rank, size=full_size(graph.plan, name))
            ends += [(name, made) for _, made in (graph[name] >> place(stage)).ends]
        else:
            ends.append((name, port))
    return Graph(tuple(ends), tuple(sinks))


def full_size(plan: Plan, output: str) -> int | None:
    """Samples of a full batch of an output; None where its batches may have any size."""
    node = next(end.node for end in plan.ends if end.name == output)
    while True:
        placed = plan[node]
        if isinstance(placed.stage, BatchStage):
            return placed.stage.size
        if not isinstance(placed.stage, ToDeviceStage | MapStage):
            return None
        node = placed.inputs[0].node
