"""Workers in threads of this process: what a run with lanes made elsewhere asks of any, without a cluster."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import flowload as fl
from flowload.errors import ProcessDied
from flowload.graph.engine import RunOrder
from flowload.runtime.elsewhere.ask import lanes_elsewhere
from flowload.runtime.elsewhere.face import LaneBatches
from flowload.runtime.elsewhere.worker import LaneWorker
from flowload.runtime.elsewhere.workers import Answer, Asked
from flowload.runtime.order import Order


class LocalWorker:
    """A worker in two threads; what it answers is pickled on its way."""

    def __init__(self, asked: Asked) -> None:
        self.worker = LaneWorker(pickle.dumps(asked))
        self.where = f"local worker {asked.number}"
        self.threads = {name: ThreadPoolExecutor(1, f"test-{name}") for name in ("lanes", "word")}
        self.dead = False
        self.killed: Callable[[], None] = lambda: None
        self.placed = threading.Event()
        self.waiting: list[tuple[Any, ...]] = []  # for room
        self.lock = threading.Lock()
        self.futures: set[Future[Answer]] = set()

    def ask(self, what: str, *given: Any) -> Future[Answer]:
        answer: Future[Answer] = Future()
        with self.lock:  # or it is killed between the look and the call
            if self.dead:
                answer.set_exception(ProcessDied(f"{self.where} is dead"))
                return answer
            self.futures.add(answer)
            if self.placed.is_set():
                self.submit(answer, what, *given)
            else:
                self.waiting.append((answer, what, *given))
        return answer

    def submit(self, answer: Future[Answer], what: str, *given: Any) -> None:
        group = "lanes" if what in ("begin", "take") else "word"
        self.threads[group].submit(self.do, answer, what, *given)

    def place(self) -> None:
        """There is room for it."""
        with self.lock:
            self.placed.set()
            while self.waiting and not self.dead:
                self.submit(*self.waiting.pop(0))

    def do(self, answer: Future[Answer], what: str, *given: Any) -> None:
        found = pickle.loads(pickle.dumps(self.worker.do(what, *given), protocol=5))
        with suppress(Exception):  # it was killed meanwhile
            answer.set_result(found)
        self.futures.discard(answer)

    def kill(self) -> None:
        with self.lock:
            if self.dead:
                return
            self.dead = True
            left = tuple(self.futures)
        for future in left:
            with suppress(Exception):  # it has its answer already
                future.set_exception(ProcessDied(f"{self.where} was killed"))
        self.worker.begun.set()
        self.leave()
        for each in self.threads.values():
            each.shutdown()
        self.leave()  # it was beginning
        self.killed()

    def leave(self) -> None:
        if hasattr(self.worker, "batches"):
            self.worker.batches.close()


class Cluster:
    """Starts local workers, and knows them.

    Args:
        room: for how many at once; others wait, the first to come first.
    """

    def __init__(self, room: int = 1000) -> None:
        self.room = room
        self.lock = threading.Lock()
        self.workers: list[LocalWorker] = []

    def __call__(self, asked: Asked) -> LocalWorker:
        worker = LocalWorker(asked)
        worker.killed = self.place
        with self.lock:
            self.workers.append(worker)
        self.place()
        return worker

    def capacity(self) -> int:
        return self.room

    def resize(self, room: int) -> None:
        """So much room from now on; the last that came die for it."""
        self.room = room
        while len(placed := [worker for worker in self.alive if worker.placed.is_set()]) > room:
            placed[-1].kill()
        self.place()

    def place(self) -> None:
        """Those find room that can."""
        with self.lock:
            placed = [worker for worker in self.alive if worker.placed.is_set()]
            waiting = [worker for worker in self.alive if not worker.placed.is_set()]
            for worker in waiting[: max(0, self.room - len(placed))]:
                worker.place()

    @property
    def alive(self) -> list[LocalWorker]:
        return [worker for worker in self.workers if not worker.dead]


def elsewhere(
    graph: fl.Graph,
    workers: int | None,
    *,
    cluster: Cluster | None = None,
    bytes_ahead: int = 1 << 26,
    cut: str | None = None,
    **how: Any,
) -> LaneBatches:
    """A run whose lanes are made by so many local workers."""
    cluster = Cluster() if cluster is None else cluster
    order = Order(graph=graph, **vars(RunOrder(**how)))
    return lanes_elsewhere(
        order,
        cluster,
        workers=workers,
        bytes_ahead=bytes_ahead,
        cut=cut,
        capacity=cluster.capacity,
        same_process=True,
    )
