"""The roof: the same kernels, called by a bare thread a CPU; no graph, no order, no books."""

from __future__ import annotations

import itertools
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from time import perf_counter, process_time

from tools.bench.measuring.settings import Contender, Reading, Settings, Window, Work

from .bare import Bare
from .corpus import Corpus

__all__ = ["name_of", "roofline"]

PATIENCE = 0.005  #: seconds between looks at whether every thread has passed a mark


def name_of(work: Work) -> str:
    """What the roof of this work is called."""
    return f"bare threads, {work}"


def roofline(corpus: Corpus, settings: Settings, work: Work) -> Contender:
    """Each thread has its share of the reservoir and buffers of its own; chunks come from a common list."""

    def measure(window: Window) -> Reading:
        with corpus.descriptors() as fds:
            workers = [Bare(corpus, fds, settings, work, number) for number in range(settings.cpus)]
            return race(workers, window)

    return Contender(name=name_of(work), group="roofline", work=work, measure=measure)


def race(workers: list[Bare], window: Window) -> Reading:
    """Let all work at once; the sum of what each did between two of its own marks, all of them at work."""
    tickets = itertools.count()  # one step of it is one instruction: threads need no lock
    with ThreadPoolExecutor(len(workers)) as threads:
        jobs = [threads.submit(worker.run, tickets) for worker in workers]
        try:
            pass_by(workers, jobs, perf_counter(), 0)
            pass_by(workers, jobs, perf_counter(), window.warm)
            began, cpu = perf_counter(), process_time()
            pass_by(workers, jobs, began, window.seconds)
            ended, spent = perf_counter(), process_time() - cpu
            pass_by(workers, jobs, ended, 0)
        finally:
            for worker in workers:
                worker.stopped = True
        for job in jobs:
            job.result()
    frames = sum(speed(worker.marks, began, ended) for worker in workers)
    return Reading(frames, cores=spent / (ended - began))


def pass_by(workers: list[Bare], jobs: list[Future[None]], began: float, seconds: float) -> None:
    """Wait so long, and until every thread has made a batch since; raises what a thread raised."""
    wait(jobs, timeout=seconds, return_when=FIRST_EXCEPTION)
    while not all(worker.marks and worker.marks[-1][0] >= began + seconds for worker in workers):
        done, _ = wait(jobs, timeout=PATIENCE, return_when=FIRST_EXCEPTION)
        for job in done:
            job.result()


def speed(marks: list[tuple[float, int]], began: float, ended: float) -> float:
    """Frames a second from the first mark after `began` to the first after `ended`."""
    first, last = first_after(marks, began), first_after(marks, ended)
    return (last[1] - first[1]) / (last[0] - first[0])


def first_after(marks: list[tuple[float, int]], moment: float) -> tuple[float, int]:
    """The first mark that is not before a moment."""
    return next(mark for mark in marks if mark[0] >= moment)
