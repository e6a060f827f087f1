"""What if a stage were faster, or had other workers: its ceiling alone, and what the whole would reach.

A stage that is run alone shows what one sample costs it with 1 to n workers. How that changes from the
workers it has to those it could have is put in the place of its demand in the stations of the whole run,
whose tightest bound then says what the run would reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from flowload.observe.nearness import Nearness
from flowload.observe.stations import Station, stations_of
from flowload.observe.stats import RunStats

__all__ = ["Change", "Prospect", "Replay", "Trial", "WhatIf", "what_if"]

ENOUGH = 0.95  #: of its highest ceiling: more workers than that are not worth having
IDLE = "as it ran: nothing came through it while the whole was measured"
WORTH = 1.03  #: times the present rate: less is not worth a change


class Replay(NamedTuple):
    """What a stage took when it was run alone, on blocks that it was given before."""

    workers: int
    parallel: bool  #: more workers can be at it at once
    per_sample: bool  #: what follows is for a sample that it gives; else for a block that it takes
    hop: float  #: seconds of its slowest operators, divided by their workers
    cpu: float  #: seconds of CPU
    used: float  #: part of the time (0 to 1) in which those workers worked: low if it could not be fed
    seen: int  #: samples, or blocks, that were looked at


class Trial(NamedTuple):
    """One stage with its replays by number of workers."""

    name: str
    where: str  #: file:line of its declaration
    declared: int | None  #: `workers=` there
    workers: int  #: that it had
    replays: tuple[Replay, ...]  #: by workers; empty: it could not be run alone
    note: str = ""  #: why not


class Prospect(NamedTuple):
    """How fast a stage could be, and what the whole would gain."""

    name: str
    ceiling: float  #: samples/s that the whole could deliver if this stage, as it is, were all there is
    ceilings: tuple[tuple[int, float], ...]  #: the same with other workers, measured alone
    cpu_share: float  #: of all CPU time of the stages (0 to 1)
    workers: int  #: that it had
    best: int  #: fewest workers that come near to its highest ceiling
    if_faster: float  #: samples/s of the whole if it were twice as fast
    if_best: float  #: samples/s of the whole if it had its best workers
    measured: bool  #: alone; else as it did in the run
    note: str  #: why it was not


class Change(NamedTuple):
    """One setting that would make the whole faster, given those named before it."""

    name: str
    where: str  #: file:line of the declaration
    declared: int | None  #: `workers=` there now
    workers: int  #: that it has
    to: int
    reach: float  #: samples/s of the whole afterwards


class WhatIf(NamedTuple):
    """Prospects of all stages, and the changes worth making."""

    rate: float  #: samples/s delivered
    prospects: tuple[Prospect, ...]  #: in the order of the flow
    changes: tuple[Change, ...]  #: each with those before it; empty: other workers would not help


def what_if(now: RunStats, before: RunStats | None, trials: Sequence[Trial]) -> WhatIf | None:
    """The prospects of what ran between two snapshots; None: nothing was delivered."""
    stations = stations_of(now, before)
    delivered = now.delivered - (before.delivered if before else 0)
    seconds = now.elapsed - (before.elapsed if before else 0.0)
    if not stations or seconds <= 0:
        return None
    rate = delivered / seconds
    ratios = {trial.name: visits(trial, now, before, delivered) for trial in trials}
    model = Model(stations, rate, now.cpus)
    costs = {trial.name: model.cpu_of(trial, ratios[trial.name]) for trial in trials}
    whole = sum(costs.values()) or 1.0
    prospects = tuple(
        model.prospect(trial, ratios[trial.name])._replace(cpu_share=costs[trial.name] / whole)
        for trial in trials
    )
    return WhatIf(rate, prospects, tuple(model.changes(trials)))


def visits(trial: Trial, now: RunStats, before: RunStats | None, delivered: int) -> float:
    """How often what a replay counts came by, for one delivered sample."""
    per_sample = any(replay.per_sample for replay in trial.replays)
    past = before.stages.get(trial.name) if before else None
    stage = now.stages[trial.name]
    many = (
        stage.out - (past.out if past else 0)
        if per_sample
        else stage.blocks_in - (past.blocks_in if past else 0)
    )
    return many / delivered


class Model:
    """The stations of a run, and what it would reach with others.

    Args:
        stations: everybody who worked.
        rate: samples/s delivered.
        cpus: CPUs of the run.
    """

    def __init__(self, stations: Sequence[Station], rate: float, cpus: int) -> None:
        self.stations = list(stations)
        self.rate = rate
        self.cpus = cpus
        self.nearness = Nearness(stations, rate)

    def reach(self, stations: Sequence[Station]) -> float:
        """Samples/s with these stations instead: as near to what they allow as the run is now."""
        return self.nearness.rate(stations)

    def prospect(self, trial: Trial, visits: float) -> Prospect:
        """What one stage could do."""
        alone = trial.replays if visits > 0 else ()
        ceilings = tuple(sorted((replay.workers, self.ceiling(replay, visits)) for replay in alone))
        best = fewest(ceilings) or trial.workers
        faster = [station.with_faster(trial.name, 2.0) for station in self.stations]
        with_best = self.with_workers(self.stations, trial, best)
        by_workers = dict(ceilings)
        return Prospect(
            name=trial.name,
            ceiling=by_workers.get(trial.workers, self.as_it_ran(trial.name)),
            ceilings=ceilings,
            cpu_share=0.0,  # the others' time is needed for it
            workers=trial.workers,
            best=best,
            if_faster=self.reach(faster),
            if_best=self.reach(with_best),
            measured=bool(ceilings),
            note=trial.note or ("" if ceilings else IDLE),
        )

    def ceiling(self, replay: Replay, visits: float) -> float:
        """Delivered samples/s that a stage allows, by its workers and by the CPUs."""
        by_cpus = self.cpus / replay.cpu if replay.cpu > 0 else float("inf")
        return min(1 / replay.hop, by_cpus) / visits

    def cpu_of(self, trial: Trial, visits: float) -> float:
        """Seconds of CPU for a delivered sample; alone, as a shared hop does not tell its stages apart."""
        alone = next((replay for replay in trial.replays if replay.workers == trial.workers), None)
        if alone is not None and visits > 0:
            return alone.cpu * visits
        return next((s.shares.get(trial.name, 0.0) for s in reversed(self.stations) if s.kind == "cpu"), 0.0)

    def as_it_ran(self, name: str) -> float:
        """The ceiling by what the run itself showed."""
        own = [s.servers / s.shares[name] for s in self.stations if s.kind == "stage" and s.shares.get(name)]
        return min(own, default=float("inf"))

    def with_workers(self, stations: Sequence[Station], trial: Trial, workers: int) -> list[Station]:
        """The stations if this stage had so many workers, its demand changed as its replays say."""
        by_workers = {replay.workers: replay for replay in trial.replays}
        was, will = by_workers.get(trial.workers), by_workers.get(workers)
        own = [s for s in stations if s.kind == "stage" and s.shares.get(trial.name)]
        if was is None or will is None or was is will or not own:
            return list(stations)
        tightest = min(own, key=lambda station: station.servers / station.shares[trial.name])
        share = tightest.shares[trial.name]
        # Seconds of one of the new workers: what was measured alone, as much slower as the run was.
        share = share / tightest.servers * (will.hop / was.hop) * workers
        rest = {who: time for who, time in tightest.shares.items() if who != trial.name}
        others = [widened(s, trial.name, workers) for s in stations if s is not tightest]
        left = [tightest._replace(shares=rest)] if sum(rest.values()) > 0 else []
        return [*others, *left, Station("stage", trial.name, workers, {trial.name: share}, tightest.waits)]

    def changes(self, trials: Sequence[Trial]) -> Iterator[Change]:
        """The best change, then the best one given that, as long as they are worth it."""
        by_name = {trial.name: trial for trial in trials if len(trial.replays) > 1}
        chosen: dict[str, int] = {}
        reached = self.rate
        while by_name:
            options = {name: self.best_given(by_name, chosen, name) for name in by_name}
            name = max(options, key=lambda name: options[name][1])
            workers, reach = options[name]
            if reach < reached * WORTH:
                break
            chosen[name], reached = workers, reach
        made: dict[str, int] = {}
        for name, workers in chosen.items():
            made[name], trial = workers, by_name[name]
            reach = self.reach(self.with_all(by_name, made))
            yield Change(name, trial.where, trial.declared, trial.workers, workers, reach)

    def best_given(
        self, trials: Mapping[str, Trial], chosen: Mapping[str, int], name: str
    ) -> tuple[int, float]:
        """Given these workers, the fewest of this stage that come near to the most, and what that is."""
        tried = [replay.workers for replay in trials[name].replays]
        reaches = [(k, self.reach(self.with_all(trials, {**chosen, name: k}))) for k in tried]
        workers = fewest(reaches)
        return workers, dict(reaches)[workers]

    def with_all(self, trials: Mapping[str, Trial], chosen: Mapping[str, int]) -> list[Station]:
        """The stations if these stages had so many workers."""
        stations = self.stations
        for name, workers in chosen.items():
            stations = self.with_workers(stations, trials[name], workers)
        return stations


def widened(station: Station, name: str, workers: int) -> Station:
    """An executor has at least as many threads as a stage of it has workers."""
    if station.kind == "executor" and name in station.shares:
        return station._replace(servers=max(station.servers, workers))
    return station


def fewest(rates: Sequence[tuple[int, float]]) -> int:
    """The fewest workers whose rate comes near to the highest; 0: there are none."""
    most = max((rate for _, rate in rates), default=0.0)
    return min((workers for workers, rate in rates if rate >= ENOUGH * most), default=0)
