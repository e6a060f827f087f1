"""Checks at the end of a run that no sample was lost: in every operator, and between each and the next."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from flowload.errors import GraphError, LedgerError
from flowload.observe.ledger import Passage, check_ledger
from flowload.runtime.compile import CompiledGraph
from flowload.runtime.tasks.segment import Segment

__all__ = ["check_accounts", "check_delivered", "check_made_again"]


def check_accounts(compiled: CompiledGraph) -> None:
    """Check a run whose stream ended by itself. Raises TooManyErrors (budgets by share), LedgerError."""
    for member in compiled.members:
        member.check_budget(final=True)
    check_ledger(((member.label, member.meter) for member in compiled.members), passages(compiled))


def check_made_again(compiled: CompiledGraph) -> None:
    """Raise GraphError where a run has ended before it had made again what a state says there was."""
    for channel in compiled.channels:
        if channel.surplus:
            raise GraphError(
                f"the state is {channel.surplus:,} blocks further into what {channel.source!r} gives"
                " than that goes: these are other data, or fewer epochs"
            )


def check_delivered(compiled: CompiledGraph, output: str, samples: int) -> None:
    """Check that the reader of an output that ended got all samples. Raises LedgerError."""
    passed = compiled.outputs[output].passed.samples
    if samples != passed:
        wrong = Passage(f"output {output!r}", f"the reader of {output!r}", passed, passed, samples).wrong
        raise LedgerError(f"samples do not add up; {wrong}")


def passages(compiled: CompiledGraph) -> Iterator[Passage]:
    """Every passage of a run, in the order of the flow, but for what its readers took."""
    for segment in compiled.segments:
        if segment.inputs:
            yield entry(segment, compiled)
        for one, other in pairwise(segment.members):
            given = one.meter.out
            yield Passage(one.name, other.name, given, given, other.meter.taken)
    for name, channel in compiled.outputs.items():
        passed = channel.passed
        yield Passage(
            source=channel.source,
            target=f"output {name!r}",
            gave=compiled.gave(channel),
            queued=passed.samples,
            took=passed.samples,
            in_order=passed.in_order,
        )


def entry(segment: Segment, compiled: CompiledGraph) -> Passage:
    """What came over the queues before a segment: those of a Turn together, whose account is one."""
    inputs = segment.inputs
    return Passage(
        source=" + ".join(channel.source for channel in inputs),
        target=segment.members[0].name,
        gave=sum(compiled.gave(channel) for channel in inputs),
        queued=sum(channel.passed.samples for channel in inputs),
        took=segment.members[0].meter.taken,
        waits=sum(channel.samples for channel in inputs),
        in_order=all(channel.passed.in_order for channel in inputs),
    )
