"""The words of `python tools/bench`.

Commands import what they measure when they run: numba counts the CPUs when it is imported.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from flowload.cli.sheet import open_sheet
from tools.bench import options
from tools.bench.measuring.settings import Settings
from tools.bench.observe.planted import How

__all__ = ["main"]


@click.group()
def main() -> None:
    """Measure flowload on this machine."""


@main.command()
@options.data
@options.each(seconds=2.0, warm=0.5)
@options.rounds(5, "Measurements of each contender.")
@options.cpus
@options.numbers("--rates", "1.0,0.03", float, "Shares of a game's frames to take.")
@options.only
@options.rivals
@options.sheet
@options.quick
def chess(sheet: Path | None, quick: bool, **given: Any) -> None:
    """From tars of games to tensors."""
    from tools.bench.chess.measure import measure_chess  # noqa: PLC0415 - see above

    settings = Settings(**given)
    with open_sheet(sheet) as paper:
        paper.content = measure_chess(settings.quick() if quick else settings, tell)


@main.command()
@options.data
@options.rounds(3, "Measurements of each.")
@click.option("--mixing", is_flag=True, help="Only how well they mix.")
@click.option("--reservoir", type=int, default=20_000, show_default=True, help="Records in it.")
def lanes(data: str, rounds: int, mixing: bool, reservoir: int) -> None:
    """What lanes of one process cost beside one stream, and how well they mix."""
    from tools.bench.costs.lanes import measure_lanes, tell_mixing  # noqa: PLC0415 - see above

    if mixing:
        tell_mixing(data, tell)
    else:
        measure_lanes(data, rounds, tell, reservoir)


@main.command()
@click.option("--blocks", default=20_000, show_default=True, help="Blocks of one measurement.")
@options.rounds(5, "Measurements of each graph.")
@options.cpus
def hops(blocks: int, rounds: int, cpus: int) -> None:
    """What a block costs on its way through graphs that do nothing."""
    from tools.bench.observe.hops import measure_hops  # noqa: PLC0415 - see above

    measure_hops(blocks, rounds, cpus)


@main.command()
@click.option("--batches", default=600, show_default=True, help="Of one measurement.")
@options.rounds(9)
@options.cpus
def devices(batches: int, rounds: int, cpus: int) -> None:
    """What to_device("auto") costs beside "cpu" where no card is: chess and games in batches of 64."""
    from tools.bench.costs.devices import measure_devices  # noqa: PLC0415 - see above

    measure_devices(batches, rounds, cpus, tell)


@main.command()
@click.option("--batches", default=60, show_default=True, help="Of one measurement.")
@options.rounds(12)
@options.cpus
@click.option("--ray", is_flag=True, help="By actors of Ray instead, on a cluster of this machine.")
def spread(batches: int, rounds: int, cpus: int, *, ray: bool) -> None:
    """A run in a process of its own, and a map in worker processes, beside a run in this process.

    Whole jobs (chess in tensors, bits and packed frames, games), and the way of batches alone.
    """
    if ray:
        from tools.bench.costs.ray import measure_ray  # noqa: PLC0415 - an extra

        measure_ray(batches, rounds, cpus, tell)
        return
    from tools.bench.costs.elsewhere import measure_elsewhere, measure_way  # noqa: PLC0415 - see above

    measure_elsewhere(batches, rounds, cpus, tell)
    measure_way(batches, rounds, cpus, tell)


@main.command()
@click.option("--batches", default=40, show_default=True, help="Of one measurement.")
@options.rounds(5)
@options.cpus
def maps(batches: int, rounds: int, cpus: int) -> None:
    """A map in pure Python: threads beside processes, and what the way there costs."""
    from tools.bench.costs.maps import measure_maps  # noqa: PLC0415 - see above

    measure_maps(batches, rounds, cpus, tell)


@main.command()
@options.data
@options.each(seconds=5.0, warm=2.0)
@click.option("--rounds", "costs", default=25, show_default=True, help="Measurements of the cost.")
@click.option("--blocks", default=1000, show_default=True, help="Blocks of one measurement of the cost.")
@options.cpus
@click.option(
    "--how",
    type=click.Choice(["spin", "sleep", "python", "locked"]),
    default="spin",
    help="What slow stages do. [spin]",
)
@click.option("--turns", "rounds", default=3, show_default=True, help="Measurements of each slow-down.")
@click.option("--only", metavar="STAGE", multiple=True, help="Only slow-downs of these stages.")
def observe(costs: int, blocks: int, how: How, **given: Any) -> None:
    """What the statistics cost, and whether verdicts on slowed pipelines are right."""
    from tools.bench.observe.measure import measure_cost, measure_verdicts  # noqa: PLC0415 - see above
    from tools.bench.observe.watched import measure_watching  # noqa: PLC0415 - see above

    measure_cost(blocks, costs, given["cpus"])
    measure_watching(costs, given["cpus"])
    # A large pool would hide for minutes what the stages before it do.
    measure_verdicts(Settings(**given, rates=(1.0,), pool=48, batch=256), how, tell)


@main.command()
@click.option("--windows", default=6, show_default=True, help="Windows of one measurement.")
@options.rounds(5, "Measurements of each reader.")
@options.cpus
@options.sheet
@options.quick
@click.option("--memory", is_flag=True, help="Instead: the memory of windows; takes 12.2 GB, and no disk.")
@click.option("--size", default=65_536, show_default=True, help="With --memory: rows of a window.")
@options.numbers("--widths", "13741,1736", int, "With --memory: columns of each array.")
@click.option("--prefetch", default=2, show_default=True, help="With --memory: windows ahead.")
@click.option("--dtype", type=click.Choice(["float32", "float16"]), default="float32", help="With --memory.")
def neural(
    sheet: Path | None,
    quick: bool,
    memory: bool,
    size: int,
    widths: tuple[int, ...],
    prefetch: int,
    dtype: str,
    **given: Any,
) -> None:
    """Windows of a recording in zarr: 0.7 GB in a temporary folder; and loading behind training."""
    if memory:
        from tools.bench.neural.memory import Asked, measure_memory  # noqa: PLC0415 - see above

        try:
            found = measure_memory(Asked(size, widths, prefetch, dtype))
        except RuntimeError as error:
            raise click.ClickException(str(error)) from None
        with open_sheet(sheet) as paper:
            paper.content = found._asdict()
        click.echo("\n".join(found.lines()))
        return
    from tools.bench.neural.measure import NeuralSettings, measure_neural  # noqa: PLC0415 - see above

    settings = NeuralSettings(**given)
    if quick:
        settings = settings._replace(
            rows=256, columns=64, size=64, chunk=16, windows=2, rounds=1, train=0.001
        )
    with open_sheet(sheet) as paper:
        paper.content = measure_neural(settings, tell)


@main.command()
@click.option("--rows", default=1_000_000, show_default=True, help="Positions to make batches of.")
@click.option("--many", default=20_000_000, show_default=True, help="Positions of the large set.")
@options.each(seconds=1.0, warm=0.3)
@options.rounds(5, "Measurements of each contender.")
@options.cpus
@options.only
@options.rivals
@options.sheet
@options.quick
def games(sheet: Path | None, quick: bool, **given: Any) -> None:
    """From packed positions to one-hot batches, and from moves to packed positions."""
    from tools.bench.games import measure, settings  # noqa: PLC0415 - see above

    asked = settings.Settings(**given)
    with open_sheet(sheet) as paper:
        paper.content = measure.measure_games(asked.quick() if quick else asked, tell)


@main.command()
@click.option("--rows", default=200_000, show_default=True, help="Molecules to make batches of.")
@click.option("--many", default=2_000_000, show_default=True, help="Molecules of the large set.")
@click.option("--batch", default=128, show_default=True, help="Molecules of a batch.")
@options.each(seconds=1.0, warm=0.3)
@options.rounds(5, "Measurements of each contender.")
@options.cpus
@options.only
@options.rivals
@options.sheet
@options.quick
def molecules(sheet: Path | None, quick: bool, **given: Any) -> None:
    """From packed molecules to padded batches with pair indices."""
    from tools.bench.molecules import measure, settings  # noqa: PLC0415 - see above

    asked = settings.Settings(**given)
    with open_sheet(sheet) as paper:
        paper.content = measure.measure_molecules(asked.quick() if quick else asked, tell)


@main.command()
@options.data
@options.numbers("--frames", "200000,1000000", int, "Frames of the reservoir.")
@options.numbers("--places", "20,200,800", int, "Batches behind which it is left.")
@click.option("--rate", default=1.0, show_default=True, help="Share of a game's frames to take.")
@options.cpus
@options.sheet
@options.quick
@click.option("--rivals", is_flag=True, help="Instead: what other loaders lose, repeat and refuse.")
@click.option("--only", metavar="WORD", multiple=True, help="With --rivals: loaders with this in their name.")
def resume(sheet: Path | None, quick: bool, rivals: bool, only: tuple[str, ...], **given: Any) -> None:
    """Going on from a state: the time to the first batch, what states weigh, and what they cost."""
    del given["cpus"]
    if rivals:
        from tools.bench.going_on.measure import Plan, measure_going_on  # noqa: PLC0415 - see above

        plan = Plan(rows=1200, each=60, rounds=1) if quick else Plan()
        with open_sheet(sheet) as paper:
            paper.content = measure_going_on(plan, only, tell)
        click.echo("\n".join([paper.content["table"], "", *paper.content["notes"]]))
        return
    from tools.bench.costs.resume import measure_resume  # noqa: PLC0415 - see above

    if quick:
        given |= {"frames": (20_000,), "places": (10, 60)}
    with open_sheet(sheet) as paper:
        paper.content = measure_resume(**given, tell=click.echo, quick=quick)


@main.command()
@options.rounds(5, "Measurements of each contender.")
@click.option("--readme", metavar="PATH", type=click.Path(path_type=Path), help="Write the section there.")
@options.quick
def figures(rounds: int, readme: Path | None, quick: bool) -> None:
    """Everything that the README says of speed, anew: chess, games, molecules, neural; half an hour."""
    from tools.bench.figures import measure_figures  # noqa: PLC0415 - see above

    click.echo(measure_figures(rounds, readme, quick=quick, tell=tell))


def tell(line: str) -> None:
    """Say what is going on, where results do not go."""
    click.echo(line, file=sys.stderr)
