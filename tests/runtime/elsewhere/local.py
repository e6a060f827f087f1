"""Workers in threads of this process: what a run with lanes made elsewhere asks of any, without a cluster."""

from __future__ import annotations

import pickle
import threading
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
        self.lock = threading.Lock()
        self.futures: set[Future[Answer]] = set()

    def ask(self, what: str, *given: Any) -> Future[Answer]:
        answer: Future[Answer] = Future()
        with self.lock:  # or it is killed between the look and the call
            if self.dead:
                answer.set_exception(ProcessDied(f"{self.where} is dead"))
                return answer
            self.futures.add(answer)
            group = "lanes" if what in ("begin", "take") else "word"
            self.threads[group].submit(self.do, answer, what, *given)
        return answer

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

    def leave(self) -> None:
        if hasattr(self.worker, "batches"):
            self.worker.batches.close()


class Cluster:
    """Starts local workers, and knows them."""

    def __init__(self) -> None:
        self.workers: list[LocalWorker] = []

    def __call__(self, asked: Asked) -> LocalWorker:
        self.workers.append(LocalWorker(asked))
        return self.workers[-1]

    @property
    def alive(self) -> list[LocalWorker]:
        return [worker for worker in self.workers if not worker.dead]


def elsewhere(
    graph: fl.Graph,
    workers: int,
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
        order, cluster, workers=workers, bytes_ahead=bytes_ahead, cut=cut, same_process=True
    )
