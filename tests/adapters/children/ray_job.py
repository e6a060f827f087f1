"""A cluster of this machine alone, and what tests want to know of runs on it, as JSON: `ray_job.py OUT JOB`.

In a process of its own, and where that is allowed in a network of its own: nothing leaves this machine.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import psutil
import ray as library

import flowload as fl
from flowload.errors import ProcessDied
from flowload.runtime.elsewhere.lanes import RemoteLanes
from flowload.sample import sample_path

ray: Any = library  # typed in part
BOUND = 2 << 20  #: bytes ahead
STORE = 80 << 20  #: bytes of the object store: the least that Ray takes


def drawn(shard: fl.Graph | None = None) -> fl.Graph:
    games = fl.discover(sample_path("chess")) >> fl.read("lc0") >> (shard or fl.shard(lanes=4))
    return games >> fl.shuffle_pool(24) >> fl.unpack() >> fl.reservoir(240) >> fl.batch(64, layout="bits")


def digest(batch: Any) -> str:
    found = hashlib.blake2b(digest_size=8)
    for key in sorted(batch):
        found.update(np.ascontiguousarray(batch[key]).tobytes())
    return found.hexdigest()


def whole(**how: Any) -> list[str]:
    with drawn().iterate(seed=3, **how) as batches:
        return [digest(batch) for batch in batches]


def processes(batches: Any) -> list[int]:
    """Those of the actors that have begun, and live."""
    found = []
    for seat in tuple(batches.remote.seats):
        with suppress(ProcessDied):  # it was killed a moment ago
            found += [seat.worker.ask("process").result().value] if seat.began else []
    return found


class Store:
    """Looks how much lies in the object store, until it is left."""

    def __enter__(self) -> Store:
        self.most, self.left = 0.0, threading.Event()
        self.thread = threading.Thread(target=self.look)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.left.set()
        self.thread.join()

    def look(self) -> None:
        while not self.left.wait(0.02):  # to ask without a pause would take a CPU
            free = ray.available_resources().get("object_store_memory", STORE)
            self.most = max(self.most, ray.cluster_resources()["object_store_memory"] - free)


def quick() -> dict[str, Any]:
    """Two actors: one is killed, states go there and back, nobody reads for a while."""
    wanted, found = whole(epochs=2), dict[str, Any]()
    with drawn().iterate(seed=3, epochs=2) as here:
        got = [digest(batch) for batch in islice(here, 9)]
        state = json.loads(json.dumps(here.state_dict()))
    with (
        Store() as store,
        drawn().on_ray(workers=2, seed=3, epochs=2, state=state, bytes_ahead=BOUND) as there,
    ):
        got += [digest(batch) for batch in islice(there, 11)]
        os.kill(processes(there)[1], signal.SIGKILL)
        got += [digest(batch) for batch in islice(there, 50)]
        state = json.loads(json.dumps(there.state_dict()))
    with drawn().iterate(seed=3, epochs=2, state=state) as here:
        got += [digest(batch) for batch in here]
    found["exact"] = got == wanted
    found["replaced"] = there.replaced
    found["lanes"] = len(state["standing"]["lanes"])
    found["store"] = store.most
    found["stages"] = sorted(there.stats().stages)
    return found


def fails(batch: Any) -> Any:
    raise ZeroDivisionError("on purpose")


async def read(graph: fl.Graph, **how: Any) -> list[str]:
    async with graph.on_ray(**how) as batches:
        return [digest(batch) async for batch in batches]


def many() -> dict[str, Any]:
    """Any number of actors, also while it runs; the asynchronous face; an error; placement; no lanes."""
    wanted, found = whole(), dict[str, Any]()
    for workers in (1, 2, 4):
        with drawn().on_ray(workers=workers, seed=3, placement="near") as batches:
            found[f"{workers} actors"] = [digest(batch) for batch in batches] == wanted
    found["async"] = asyncio.run(read(drawn(), workers=2, seed=3, cut="batch")) == wanted
    how: Any = {"workers": 1, "placement": "cpu", "bytes_ahead": BOUND}
    with drawn().on_ray(seed=3, epochs=4, **how) as batches:
        got = [digest(batch) for batch in islice(batches, 20)]
        batches.scale(2)
        while batches.workers != 2:
            got.append(digest(next(batches)))
        got += [digest(batch) for batch in batches]
    found["scaled"] = got == whole(epochs=4)
    RemoteLanes.look = 0.0
    with drawn().on_ray(workers="cluster", seed=3) as batches:
        found["cluster"] = [digest(batch) for batch in batches] == wanted and batches.workers
    try:
        with (drawn() >> fl.map(fails).named("mine")).on_ray(workers=1) as batches:
            next(iter(batches))
    except ZeroDivisionError as error:
        found["error"] = error.__notes__
    rows = fl.rows({"x": np.arange(960)}) >> fl.shuffle() >> fl.batch(4)
    laned = fl.rows({"x": np.arange(960)}) >> fl.shuffle() >> fl.shard(lanes=8) >> fl.batch(4)
    with rows.on_ray(workers=2, lanes=8) as batches, laned.iterate() as here:
        found["lanes put in"] = [digest(batch) for batch in batches] == [digest(batch) for batch in here]
    return found


def states() -> dict[str, Any]:
    """From this process to one, two and four actors, and back from each, by states as JSON."""
    wanted, got, state, lanes = whole(epochs=2), list[str](), None, list[int]()
    for workers, count in ((0, 7), (1, 9), (0, 5), (2, 11), (0, 6), (4, 13), (1, 5), (0, None)):
        how: Any = {"seed": 3, "epochs": 2, "state": state}
        with drawn().on_ray(workers=workers, **how) if workers else drawn().iterate(**how) as batches:
            got += [digest(batch) for batch in islice(batches, count)]
            state = json.loads(json.dumps(batches.state_dict()))
            lanes.append(len(state["standing"]["lanes"]))
    return {"exact": got == wanted, "lanes": lanes}


def kills(seed: str) -> dict[str, Any]:
    """Ten actors are killed, at any moment."""
    chance, wanted = random.Random(seed), whole(epochs=20)
    RemoteLanes.every = 0.2
    got, waits, killed = list[str](), list[float](), 0
    with (
        Store() as store,
        drawn().on_ray(workers=2, seed=3, epochs=20, bytes_ahead=BOUND) as batches,
    ):
        began = perf_counter()
        for batch in batches:
            waits.append(perf_counter() - began)
            got.append(digest(batch))
            if killed < 10 and len(got) >= (killed + 1) * len(wanted) // 12 and (alive := processes(batches)):
                os.kill(chance.choice(alive), signal.SIGKILL)
                killed += 1
            began = perf_counter()
    return {
        "exact": got == wanted,
        "killed": killed,
        "replaced": batches.replaced,
        "longest": max(waits[1:]),
        "store": store.most,
    }


@contextmanager
def cluster_of(nodes: int) -> Iterator[tuple[Any, list[Any]]]:
    """A cluster in place of that of `main`, and its nodes of one CPU; the first has this process."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - for two jobs alone

    ray.shutdown()
    RemoteLanes.look, RemoteLanes.every = 0.1, 0.2
    folder = Path(os.environ["RAY_JOB_FOLDER"], "ray")
    folder.mkdir()
    own: Any = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False}
    own |= {"temp_dir": str(folder), "_system_config": {"health_check_period_ms": 500}}
    cluster = Cluster(initialize_head=True, head_node_args=own)
    try:
        others = [cluster.add_node(num_cpus=1, object_store_memory=STORE) for _ in range(nodes - 1)]
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
        yield cluster, [cluster.head_node, *others]
    finally:
        ray.shutdown()
        cluster.shutdown()  # type: ignore[no-untyped-call]


def nodes(workers: str) -> dict[str, Any]:
    """A node dies with its actor, and another comes: there are as many actors as there is room for."""
    got, had, many = list[str](), list[int](), int(workers) if workers.isdigit() else workers
    how: Any = {"workers": many, "seed": 3, "epochs": None, "bytes_ahead": BOUND}
    with cluster_of(2) as (cluster, (_, dying)), drawn().on_ray(**how) as batches:
        for number in (2, 1, 2):
            while batches.workers != number:
                got.append(digest(next(batches)))
            had.append(batches.workers)
            got += [digest(batch) for batch in islice(batches, 20)]
            if had == [2]:
                cluster.remove_node(dying, allow_graceful=False)
            elif number == 1:
                cluster.add_node(num_cpus=1, object_store_memory=STORE)
    return {"exact": got == beginning(len(got)), "workers": had}


def moved() -> dict[str, Any]:
    """A node dies with its actor, and there is room on another one."""
    got, longest, most = list[str](), 0.0, 0
    how: Any = {"workers": 2, "seed": 3, "epochs": None, "bytes_ahead": BOUND}
    with cluster_of(3) as (cluster, (_, *others)), drawn().on_ray(**how) as batches:
        got += [digest(batch) for batch in islice(batches, 20)]
        homes = {psutil.Process(actor).ppid() for actor in processes(batches)}
        dying = next(node for node in others if node.all_processes["raylet"][0].process.pid in homes)
        cluster.remove_node(dying, allow_graceful=False)
        began = perf_counter()
        while batches.replaced == 0 or len(got) < most:
            got.append(digest(next(batches)))
            longest, began = max(longest, perf_counter() - began), perf_counter()
            if batches.replaced == 0:
                most = len(got) + 50  # more than lay ready
        found = {"workers": batches.workers, "replaced": batches.replaced, "longest": longest}
    return {"exact": got == beginning(len(got)), **found}


def beginning(count: int) -> list[str]:
    """The first batches in this process."""
    with drawn().iterate(seed=3, epochs=None) as batches:
        return [digest(batch) for batch in islice(batches, count)]


def training(config: dict[str, Any]) -> None:
    """What each of two trainers does; one of them is killed once."""
    import torch  # noqa: PLC0415 - in the trainers alone
    from ray import train  # noqa: PLC0415 - likewise

    rank, state, got = train.get_context().get_world_rank(), None, list[str]()
    if (checkpoint := train.get_checkpoint()) is not None:
        with checkpoint.as_directory() as folder:
            state = fl.load_state(f"{folder}/rank{rank}.state")
            got = json.loads(Path(folder, f"rank{rank}.json").read_text())
    with drawn(fl.shard()).iterate(seed=3, state=state) as batches:  # rank and world from the environment
        for step, batch in enumerate(batches, len(got) + 1):
            got.append(digest(batch))
            torch.distributed.all_reduce(torch.ones(1))
            if step == 12 and rank == 1 and not (killed := Path(config["out"], "killed")).exists():
                killed.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if step % 5 == 0:
                with tempfile.TemporaryDirectory() as folder:
                    fl.save_state(f"{folder}/rank{rank}.state", batches)
                    Path(folder, f"rank{rank}.json").write_text(json.dumps(got))
                    train.report({"step": step}, checkpoint=train.Checkpoint.from_directory(folder))
    Path(config["out"], f"rank{rank}.json").write_text(json.dumps(got))


def trainers() -> dict[str, Any]:
    """Ray Train with two trainers, and the state in its checkpoints."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig  # noqa: PLC0415 - takes a second
    from ray.train.torch import TorchTrainer  # noqa: PLC0415 - likewise

    with tempfile.TemporaryDirectory() as folder:
        TorchTrainer(
            training,
            train_loop_config={"out": folder},
            scaling_config=ScalingConfig(num_workers=2),
            run_config=RunConfig(storage_path=f"{folder}/runs", failure_config=FailureConfig(max_failures=2)),
        ).fit()
        got = [json.loads(Path(folder, f"rank{rank}.json").read_text()) for rank in range(2)]
    wanted = []
    for rank in range(2):
        with drawn(fl.shard(rank, 2)).iterate(seed=3, even="allow") as batches:
            wanted.append([digest(batch) for batch in batches])
    return {"exact": got == wanted, "batches": len(got[0])}


def dataset() -> dict[str, Any]:
    """Ray Data reads every sample once, in whatever order."""
    import ray.data  # noqa: PLC0415 - takes a second

    ray.data.DataContext.get_current().enable_progress_bars = False
    graph = fl.rows({"x": np.arange(1000)}) >> fl.shuffle() >> fl.shard(lanes=4) >> fl.batch(50)
    read = ray.data.read_datasource(graph.as_ray_datasource(seed=1))
    return {"rows": sorted(row["x"] for row in read.take_all()), "lanes": 4}


def main(out: str, job: str, *given: str) -> None:
    ray.init(
        num_cpus=4,
        include_dashboard=False,
        object_store_memory=STORE,
        log_to_driver=False,
        logging_level="ERROR",
        configure_logging=False,
        _temp_dir=os.environ["RAY_JOB_FOLDER"],
    )
    try:
        Path(out).write_text(json.dumps(globals()[job](*given)))
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
