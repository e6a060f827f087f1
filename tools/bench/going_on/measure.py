"""Every loader that is installed is left in its second epoch, and gone on with in a new process."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from tools.bench.measuring.markdown import table

from .processes import run_ranks
from .setting import Place
from .verdict import Steps, judged, steps_of

__all__ = ["LOADERS", "Plan", "going_on", "measure_going_on"]


class Loader(NamedTuple):
    """Whom to ask."""

    title: str
    module: str  #: that must be installed
    package: str  #: whose version counts


LOADERS: Mapping[str, Loader] = {
    "flowload": Loader("flowload", "flowload", "flowload"),
    "grain": Loader("Grain", "grain", "grain"),
    "grain_elastic": Loader("Grain, ElasticIterator", "grain", "grain"),
    "torchdata": Loader("StatefulDataLoader", "torchdata", "torchdata"),
    "streaming": Loader("MosaicML streaming", "streaming", "mosaicml-streaming"),
    "litdata": Loader("LitData", "litdata", "litdata"),
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much; the rows must be a multiple of the batch, and the batch one of 6."""

    rows: int = 24_000
    batch: int = 120
    each: int = 1200  #: rows of a file
    workers: int = 2
    rounds: int = 3

    @property
    def epoch(self) -> int:
        """Steps."""
        return self.rows // self.batch

    def step(self, percent: int) -> int:
        """Steps until so much of the second epoch."""
        return self.epoch + self.epoch * percent // 100


class Case(NamedTuple):
    """What is other when the run goes on."""

    question: str
    before: int = 1  #: ranks
    after: int = 1
    more: int = 0  #: workers
    changed: str = ""


CASES = (
    Case("the same again"),
    Case("another worker", more=1),
    Case("2 ranks, then 3", before=2, after=3),
    Case("all rows rewritten", changed="all"),
    Case("a twentieth rewritten", changed="some"),
    Case("a twentieth added", changed="added"),
)
PLACES = (10, 50, 90)  #: percent of the second epoch
FRESH = "first batch, fresh start"


def measure_going_on(plan: Plan, only: Sequence[str], tell: Callable[[str], None]) -> dict[str, Any]:
    """Ask everybody; a table of answers, and what was told beside it, as lines."""
    answers: dict[str, dict[str, str | float]] = {}
    notes: list[str] = []
    for name, loader in LOADERS.items():
        if only and not any(word.lower() in loader.title.lower() for word in only):
            continue
        if importlib.util.find_spec(loader.module) is None:
            notes.append(f"{loader.title}: not installed, left out")
            continue
        with TemporaryDirectory(prefix="flowload-bench-") as folder:
            title = f"{loader.title} {release(loader.package)}"
            answers[title] = {}
            for question, answer, note in going_on(name, plan, Path(folder)):
                tell(f"{title}: {question}: {answer}{note and f' ({note})'}")
                answers[title][question] = answer
                notes += [f"{title}, {question}: {note}"] * bool(note)
    return {"answers": answers, "notes": notes, "table": sheet(answers)}


def sheet(answers: Mapping[str, Mapping[str, str | float]]) -> str:
    """A column a loader; times as multiples of the quickest fresh start."""
    fresh = [each[FRESH] for each in answers.values() if FRESH in each]
    unit = min((float(each) for each in fresh), default=1.0)
    questions = dict.fromkeys(question for found in answers.values() for question in found)
    return table(
        ["", *answers],
        [
            (question, *(shown(found.get(question, ""), unit) for found in answers.values()))
            for question in questions
        ],
    )


def shown(answer: str | float, unit: float) -> str:
    """In a cell."""
    return answer if isinstance(answer, str) else f"{answer / unit:.1f}"


def release(package: str) -> str:
    """Without what a clone adds to it."""
    return version(package).partition("+")[0]


def going_on(name: str, plan: Plan, folder: Path) -> Iterator[tuple[str, str | float, str]]:
    """Of one loader: question, answer, and what it said."""
    one = Going(name, plan, folder)
    wrong = one.write(folder / "rows", np.arange(plan.rows))
    if wrong:
        yield "does it run?", "no", wrong
        return
    for ranks in (1, 2):
        yield from one.at_once(ranks)
    if len(one.whole) < 2:
        return
    for question, seconds in one.times():
        yield question, seconds, ""
    for case in CASES:
        answer, note = one.answer(case)
        yield case.question, answer, note


class Going:
    """One loader, and what it did when nobody stopped it."""

    def __init__(self, name: str, plan: Plan, folder: Path) -> None:
        self.name, self.plan, self.folder = name, plan, folder
        self.whole: dict[int, list[Steps]] = {}  # by number of ranks: each rank's batches
        self.said: set[str] = set()

    def write(self, rows: Path, numbers: np.ndarray[Any, Any]) -> str:
        """The data, by the loader's own writer; what went wrong."""
        path = self.folder / "numbers.npy"
        np.save(path, numbers)
        order = {"numbers": str(path), "each": self.plan.each, **self.order(Place(**self.place()))}
        order["place"]["folder"] = str(rows)
        return str(run_ranks([order], self.folder)[0].get("error", ""))

    def place(self) -> dict[str, Any]:
        """As everybody reads."""
        return {
            "folder": str(self.folder / "rows"),
            "batch": self.plan.batch,
            "workers": self.plan.workers,
        }

    def order(self, place: Place) -> dict[str, Any]:
        """For a child."""
        return {"loader": self.name, "place": {**vars(place)}}

    def saved(self, percent: int, rank: int, world: int) -> str:
        """Where the state of a rank lies."""
        return str(self.folder / f"state-{percent}-{rank}-{world}")

    def at_once(self, world: int) -> Iterator[tuple[str, str, str]]:
        """Read both epochs, save on the way; an answer only where that goes wrong."""
        orders = []
        for rank in range(world):
            saves = {str(self.plan.step(each)): self.saved(each, rank, world) for each in PLACES}
            place = Place(**self.place(), rank=rank, world=world)
            orders.append({**self.order(place), "state": None, "saves": saves})
        found = run_ranks(orders, self.folder)
        errors = [each["error"] for each in found if "error" in each]
        if errors:
            yield f"{world} ranks at once", "no", errors[0]
            return
        self.whole[world] = [each["batches"] for each in found]
        self.said.update(line for each in found for line in each["said"])

    def times(self) -> Iterator[tuple[str, float]]:
        """Seconds to the first batch, the best of the rounds."""
        starts = [None, *(self.saved(each, 0, 1) for each in PLACES)]
        order = {**self.order(Place(**self.place())), "starts": starts, "rounds": self.plan.rounds}
        found = run_ranks([order], self.folder)[0]
        questions = [FRESH, *(f"first batch, left at {each} %" for each in PLACES)]
        yield from zip(questions, found.get("first", ()), strict=False)  # none where it went wrong

    def orders(self, percent: int, before: int, after: int, workers: int) -> list[dict[str, Any]]:
        """To read on from there with so many ranks; a rank that is new has the state of the first."""
        orders = []
        for rank in range(after):
            place = Place(**{**self.place(), "workers": workers}, rank=rank, world=after)
            state = self.saved(percent, rank if rank < before else 0, before)
            orders.append({**self.order(place), "state": state, "saves": {}})
        return orders

    def answer(self, case: Case) -> tuple[str, str]:
        """Go on from the middle; the verdict, and what was said for the first time."""
        if case.changed:
            wrong = self.write(self.folder / "rows", changed(self.plan, case.changed))
            if wrong:
                return "not written", wrong
        found = run_ranks(
            self.orders(50, case.before, case.after, self.plan.workers + case.more), self.folder
        )
        errors = [each["error"] for each in found if "error" in each]
        if errors:
            return errors[0].partition(":")[0], errors[0][:300]
        ordered = case.before == case.after
        wanted = steps_of(self.whole[case.before], ordered=ordered)[self.plan.step(50) :]
        got = steps_of([each["batches"] for each in found], ordered=ordered)
        told = sorted({line for each in found for line in each["said"]} - self.said)
        manner = ("it warns: " if told else "silent: ") if case.changed else ""
        return manner + str(judged(wanted, got, self.plan.rows)), "; ".join(told)[:300]


def changed(plan: Plan, how: str) -> np.ndarray[Any, Any]:
    """The numbers of other data: all, or those of one file, are others; or there is one file more."""
    numbers = np.arange(plan.rows)
    if how == "added":
        return np.arange(plan.rows + plan.each)
    numbers[slice(plan.each * 2, plan.each * 3) if how == "some" else slice(None)] += plan.rows
    return numbers
