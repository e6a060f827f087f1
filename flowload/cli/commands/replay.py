"""`flowload replay CAPSULE`: make a call that failed once more, alone."""

from __future__ import annotations

import pdb
from pathlib import Path

import click

from flowload.cli.complaint import complain, status_of
from flowload.cli.view.lines import say
from flowload.errors import FlowloadError
from flowload.graph import load
from flowload.runtime.capsules.replay import read_capsule
from flowload.runtime.capsules.replay import replay as call_again

__all__ = ["replay"]

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("capsule", type=FILE)
@click.option("--pipeline", metavar="FILE", help="What draws the graph, where the capsule does not say it.")
@click.option("--debug", is_flag=True, help="Open Python's debugger where it fails.")
@click.option("-v", "--verbose", count=True, help="Show the traceback.")
def replay(capsule: Path, *, pipeline: str | None, debug: bool, verbose: int) -> int:
    """Make the call that CAPSULE tells of again, alone and in this thread; exit status 0: it did not fail.

    Runs with --capsules, or iterate(capsules=), write capsules.
    """
    try:
        told = read_capsule(capsule)
        graph = None if pipeline is None else load(pipeline)
    except FlowloadError as error:
        raise click.UsageError(str(error)) from error
    say(f"block {told['number']} of {told['operator']!r}: {told['why']}")
    try:
        done = call_again(capsule, graph)
    except Exception as error:  # noqa: BLE001 - whatever the call raises is the answer
        say(complain(error, verbose=verbose > 0), err=True)
        if debug:
            pdb.post_mortem(error.__traceback__)
        return status_of(error)
    if done.changed:
        say("the record has other bytes than when it failed")
    how = "alone" if done.alone else "behind all that comes before it"
    say(f"it did not fail again: {'nothing' if done.samples is None else f'{done.samples} samples'}, {how}")
    return 0
