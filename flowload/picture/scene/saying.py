"""The verdict as sentences: the largest words of a picture."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, TypedDict

from flowload.observe.figures import clock, counted, rate, scaled, share
from flowload.observe.progress import filling
from flowload.observe.stats import Outcome
from flowload.observe.verdict import Verdict
from flowload.printable import printable

from .cells import Cell
from .rails import Rails
from .spell import Spell

__all__ = ["Gain", "Saying", "band_of", "gain_of", "limit_words", "plain", "saying_of"]

FED = 0.05  #: a trainer that waits less of its time is fed
HALF_FED = 0.15  #: one that waits more is not, even where nobody else is nearer to a limit
LONG = 400  #: letters of an error


class Part(NamedTuple):
    """Some words; `kind` is empty, "strong", or of a stage's name "stage:" and the name."""

    text: str
    kind: str = ""


class Saying(TypedDict):
    """What is said of a moment."""

    head: list[Part]
    sub: list[Part]
    tail: list[Part]  #: of the head, what a sentence about one rank of several ends with
    state: str  #: kind of the outcome, where there is one
    who: str  #: the stage that it is about
    waits: float  #: of the first consumer
    tab: str  #: few words


class Gain(TypedDict):
    """One of the three bars beside the verdict."""

    label: str
    rate: float
    shown: str
    ink: str  #: "data", "hot" or "track"


def plain(parts: Sequence[Part | Sequence[str]]) -> str:
    """The words alone."""
    return "".join(part[0] for part in parts)


def stage(name: str) -> Part:
    """A stage's name in a sentence, which leads to its row."""
    return Part(printable(name), f"stage:{name}")


def parts_of(text: str, names: Sequence[str]) -> list[Part]:
    """Words in which `{0}` ... stand for stages and `**` around strong words."""
    found = []
    for piece in re.split(r"(\{\d\}|\*\*.*?\*\*)", text):
        if piece.startswith("{"):
            found.append(stage(names[int(piece[1])]))
        elif piece.startswith("**"):
            found.append(Part(piece[2:-2], "strong"))
        elif piece:
            found.append(Part(piece))
    return found


def saying_of(rails: Rails, spell: Spell, cells: Sequence[Cell], verdict: Verdict | None) -> Saying:
    """What to say of a moment."""
    takers = [k for k, row in enumerate(rails.rows) if row.output]
    worst = max(takers, key=lambda k: cells[k]["time"][4]) if takers else -1
    waits = cells[worst]["time"][4] if takers else 0.0
    outcome = spell.now.outcome
    if outcome is not None:
        head, sub = outcome_words(outcome, spell, verdict)
        tab = plain(head).partition(":")[0].rstrip(".")
        return made(head, sub, [], outcome.kind, outcome.stage, waits, tab)
    if verdict is None:
        head = [Part("Nothing came out for some seconds." if spell.now.delivered else "The run begins.")]
        return made(head, [Part("No verdict before batches come.")], [], "", "", waits, "no batch")
    if verdict.short:
        head = [Part("Too short to tell what limits.")]
        return made(head, [Part(f"So far {verdict.why}.")], [], "", "", waits, "too short to tell")
    named = "The trainer" if len(takers) < 2 else f"The trainer ‘{rails.rows[worst].output}’"
    who = verdict.limit.who
    if verdict.limit.kind == "consumer" and waits >= HALF_FED:
        words = f"{named} waits {share(waits)} of its time, and sets the pace all the same."
        sub = [Part("Nobody else is nearer to a limit: queues run empty now and then.")]
        if verdict.then.kind != "consumer":
            sub += [Part(" Next, "), *next_words(verdict), Part(".")]
        sub.append(Part(f" Confidence {verdict.confidence}: {verdict.why}."))
        return made([Part(words)], sub, [Part(".")], "", who, waits, f"waits {share(waits)}")
    if waits < FED or verdict.limit.kind == "consumer":
        head = [Part(f"{named} is fed: it sets the pace, and waits {share(waits)} of its time.")]
        sub = [Part("Nothing to do here.")]
        if verdict.limit.kind == "consumer" != verdict.then.kind:
            sub += [Part(" Next, "), *next_words(verdict), Part(".")]
        return made(head, sub, [Part(".")], "", who, waits, "fed")
    ending = TAILS.get(verdict.limit.kind, ", for {0}.").replace("#", verdict.limit.name)
    tail = parts_of(ending.replace("1 CPU are", "1 CPU is"), [who])
    head = [Part(f"{named} waits {share(waits)} of its time"), *tail]
    return made(head, advice(verdict), tail, "", who, waits, f"waits {share(waits)}, {printable(who)}")


def made(
    head: list[Part],
    sub: list[Part],
    tail: list[Part],
    state: str,
    who: str,
    waits: float,
    tab: str,
) -> Saying:
    """A saying."""
    return Saying(head=head, sub=sub, tail=tail, state=state, who=who, waits=round(waits, 4), tab=tab)


#: How the first sentence ends; `#` is the name of what limits.
TAILS = {
    "stage": ", for {0}.",
    "disk": ": the disk is too slow for {0}.",
    "network": ": the network is too slow for {0}.",
    "executor": ": the # threads are all taken, above all by {0}.",
    "cpu": ": the # are full, above all with {0}.",
    "lock": ": {0} holds the interpreter’s lock.",
    "loop": ": the event loop is full.",
}
#: What to do about it.
DO = {
    "stage": "More workers, or a cheaper call.",
    "disk": "Faster storage, or larger reads.",
    "network": "A store nearby, more requests at once, or a cache that has the data already.",
    "executor": "Fewer or larger blocks, or a cheaper call.",
    "cpu": "More CPUs, or a cheaper call.",
    "lock": "More workers do not help: let it call numpy or numba, which free the lock.",
    "loop": "Make blocks larger.",
    "consumer": "Nothing to do here.",
}


def advice(verdict: Verdict) -> list[Part]:
    """What a cure would bring, and what it might be."""
    who = stage(verdict.limit.who)
    sure = f" Confidence {verdict.confidence}: {verdict.why}."
    if verdict.confidence == "low":
        sure = f" It is a guess: {verdict.why}."
    return [
        Part("With "),
        who,
        Part(" twice as fast, the run gains "),
        Part(f"+{share(verdict.gain - 1)}", "strong"),
        Part("; then "),
        *next_words(verdict),
        Part(f". {DO.get(verdict.limit.kind, '')}{sure}"),
    ]


def next_words(verdict: Verdict) -> list[Part]:
    """What would limit then."""
    then, limit = verdict.then, verdict.limit
    if then.kind == "consumer":
        return [Part("the trainer sets the pace")]
    still = "still " if limit.kind == then.kind else ""
    if then.kind == "cpu":
        return [Part(f"the CPUs {still}limit, above all "), stage(then.who)]
    if then.kind == "loop":
        return [Part("the event loop limits")]
    return [stage(then.who), Part(f" {'still ' if then.who == limit.who else ''}limits")]


def outcome_words(outcome: Outcome, spell: Spell, verdict: Verdict | None) -> tuple[list[Part], list[Part]]:
    """What to say of a run that does not simply go on."""
    now, text = spell.now, printable(outcome.text)[:LONG]
    names = [outcome.stage]
    if outcome.kind == "empty":
        told = (
            "Waiting for the first batch: {0} is at work."
            if outcome.stage
            else "Waiting for the first batch."
        )
        so_far = filling(now)
        return parts_of(told, names), [
            Part(f"So far: {so_far}. " if so_far else ""),
            Part("No verdict before the first batch; filling a pool is not what limits a run."),
        ]
    if outcome.kind == "stalled":
        who = "{0} holds the run." if outcome.stage else "all wait."
        return parts_of(f"No progress for {outcome.seconds:.0f} s: {who}", names), [Part(text)]
    if outcome.kind == "failed":
        return parts_of("The run failed in {0}." if outcome.stage else "The run failed.", names), [Part(text)]
    came = f"{counted(now.delivered, 'sample', 'samples')} in {clock(now.elapsed)}"
    pace = rate(now.delivered / now.elapsed if now.elapsed > 0 else 0.0)
    waited = now.consumer_wait / (now.elapsed * max(1, now.outputs)) if now.elapsed > 0 else 0.0
    sub = [Part(f"{came}, {pace}; the trainer waited {share(waited)} of the time.")]
    if verdict is not None and not verdict.short:
        sub.append(Part(f" The limit was {limit_words(verdict)}: twice as fast, +{share(verdict.gain - 1)}."))
    if outcome.kind == "left":
        return [Part("The run was left; what was under way was let go.")], sub
    if any(s.in_ - s.out - sum(s.dropped.values()) - s.held for s in now.stages.values()):
        return [Part("The run is over, and THE LEDGER DOES NOT BALANCE.")], sub
    return [Part("The run is over; every sample is accounted for.")], sub


def limit_words(verdict: Verdict) -> str:
    """What limits, in few words."""
    limit = verdict.limit
    who = printable(limit.who)
    known = {
        "disk": f"disk, {who}",
        "network": f"network, {who}",
        "cpu": f"CPUs, {who}",
        "lock": f"lock, {who}",
        "executor": f"{limit.name} threads, {who}",
        "consumer": "trainer",
        "loop": "event loop",
    }
    return known.get(limit.kind, who)


def band_of(rails: Rails, spell: Spell, verdict: Verdict | None) -> tuple[str, bool]:
    """Who limits, for the strip above the axis, and whether that is anybody's fault."""
    now, before = spell.now, spell.before
    if now.delivered == 0:
        return "no batch yet", True
    if now.outcome is not None and now.outcome.kind in ("over", "left"):
        return ("over" if now.outcome.kind == "over" else "left"), False
    still = before is not None and before.delivered == now.delivered and now.elapsed - before.elapsed > 1
    if still and all(spell.waits(row.output) > FED for row in rails.rows if row.output):
        return "no progress", True
    if verdict is None or verdict.short:
        return "unknown", False
    return limit_words(verdict), verdict.limit.kind != "consumer"


def gain_of(verdict: Verdict | None) -> list[Gain]:
    """Now, with the limit twice as fast, and the trainer alone: three bars on one scale."""
    if verdict is None or verdict.short:
        return []
    alone = next((s.bound for s in verdict.stations if s.kind == "consumer"), 0.0)
    bars = [Gain(label="now", rate=verdict.rate, shown=rate(verdict.rate), ink="data")]
    if verdict.limit.kind != "consumer":
        better = verdict.rate * verdict.gain
        label = f"{printable(verdict.limit.who)} × 2"
        bars.append(Gain(label=label, rate=better, shown=rate(better), ink="hot"))
    if alone and alone != float("inf"):
        alone = max(alone, verdict.rate if verdict.limit.kind == "consumer" else 0.0)
        bars.append(Gain(label="trainer alone", rate=alone, shown=f"{scaled(alone)}/s", ink="track"))
    for bar in bars:
        bar["rate"] = round(bar["rate"], 3)
    return bars
