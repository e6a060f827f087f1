"""The words of `python tools/bench`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from flowload.cli.sheet import open_sheet
from tools.bench.observe.planted import How

from .machine import keep_to
from .settings import SHARED, Settings, default_data

__all__ = ["main"]


@click.group()
def main() -> None:
    """Measure flowload on this machine."""


@main.command()
@click.option(
    "--data", metavar="PATTERN", help=f"Games; without it {SHARED} beside the clone, or the sample."
)
@click.option("--seconds", default=2.0, show_default=True, help="One measurement.")
@click.option("--warm", default=0.5, show_default=True, help="Seconds before each, from its first batch on.")
@click.option("--rounds", default=5, show_default=True, help="Measurements of each contender.")
@click.option("--cpus", default=2, show_default=True, help="CPUs to keep to.")
@click.option("--rates", default="1.0,0.03", show_default=True, help="Shares of a game's frames to take.")
@click.option("--only", metavar="WORD", multiple=True, help="Only contenders with this in their name.")
@click.option("--rivals/--no-rivals", default=True, show_default=True, help="Other loaders on the same work.")
@click.option("--json", "sheet", metavar="PATH", type=click.Path(path_type=Path), help="Write it there.")
@click.option("--quick", is_flag=True, help="Whether it works at all: the figures mean nothing.")
def chess(  # noqa: PLR0913 - parameters are options
    data: str | None,
    seconds: float,
    warm: float,
    rounds: int,
    cpus: int,
    rates: str,
    only: tuple[str, ...],
    rivals: bool,
    sheet: Path | None,
    quick: bool,
) -> None:
    """From tars of games to tensors."""
    cpus = keep_to(cpus)
    from tools.bench.chess.measure import measure_chess  # noqa: PLC0415 - numba counts the CPUs when it is imported

    settings = Settings(
        data=data or default_data(),
        seconds=seconds,
        warm=warm,
        rounds=rounds,
        cpus=cpus,
        rates=tuple(float(rate) for rate in rates.split(",")),
        only=only,
        rivals=rivals,
    )
    with open_sheet(sheet) as paper:
        paper.content = measure_chess(settings.quick() if quick else settings, tell)


@main.command()
@click.option(
    "--data", metavar="PATTERN", help=f"Games; without it {SHARED} beside the clone, or the sample."
)
@click.option("--rounds", default=3, show_default=True, help="Measurements of each.")
@click.option("--mixing", is_flag=True, help="Only how well they mix.")
def lanes(data: str | None, rounds: int, mixing: bool) -> None:
    """What lanes of one process cost beside one stream, and how well they mix."""
    from tools.bench.lanes import measure_lanes, tell_mixing  # noqa: PLC0415 - as above

    if mixing:
        tell_mixing(data or default_data(), tell)
    else:
        measure_lanes(data or default_data(), rounds, tell)


@main.command()
@click.option("--blocks", default=20_000, show_default=True, help="Blocks of one measurement.")
@click.option("--rounds", default=5, show_default=True, help="Measurements of each graph.")
@click.option("--cpus", default=2, show_default=True, help="CPUs to keep to.")
def hops(blocks: int, rounds: int, cpus: int) -> None:
    """What a block costs on its way through graphs that do nothing."""
    cpus = keep_to(cpus)
    from tools.bench.observe.hops import measure_hops  # noqa: PLC0415 - numba counts the CPUs when it is imported

    measure_hops(blocks, rounds, cpus)


@main.command()
@click.option("--batches", default=2000, show_default=True, help="Of one measurement.")
@click.option("--rounds", default=9, show_default=True, help="Measurements of each, in turn.")
@click.option("--cpus", default=2, show_default=True, help="CPUs to keep to.")
def devices(batches: int, rounds: int, cpus: int) -> None:
    """What to_device("auto") costs beside "cpu" where no card is: chess and games in batches of 64."""
    cpus = keep_to(cpus)
    from .devices import measure_devices  # noqa: PLC0415 - numba counts the CPUs when it is imported

    measure_devices(batches, rounds, cpus, tell)


@main.command()
@click.option("--batches", default=200, show_default=True, help="Of one measurement.")
@click.option("--rounds", default=5, show_default=True, help="Measurements of each, in turn.")
@click.option("--cpus", default=2, show_default=True, help="CPUs to keep to.")
def spread(batches: int, rounds: int, cpus: int) -> None:
    """A run in a process of its own beside one in this process: chess in tensors and bits, games."""
    cpus = keep_to(cpus)
    from .elsewhere import measure_elsewhere  # noqa: PLC0415 - numba counts the CPUs when it is imported

    measure_elsewhere(batches, rounds, cpus, tell)


@main.command()
@click.option("--batches", default=40, show_default=True, help="Of one measurement.")
@click.option("--rounds", default=5, show_default=True, help="Measurements of each, in turn.")
@click.option("--cpus", default=2, show_default=True, help="CPUs to keep to.")
def maps(batches: int, rounds: int, cpus: int) -> None:
    """A map in pure Python: threads beside processes, and what the way there costs."""
    cpus = keep_to(cpus)
    from .maps import measure_maps  # noqa: PLC0415 - numba counts the CPUs when it is imported

    measure_maps(batches, rounds, cpus, tell)


@main.command()
@click.option("--data", metavar="PATTERN", help="As for chess.")
@click.option("--seconds", default=5.0, show_default=True, help="One measurement with a slow-down.")
@click.option("--warm", default=2.0, show_default=True, help="Seconds before each.")
@click.option("--rounds", default=25, show_default=True, help="Measurements of the cost.")
@click.option("--blocks", default=1000, show_default=True, help="Blocks of one measurement of the cost.")
@click.option("--cpus", default=2, show_default=True, help="CPUs to keep to.")
@click.option(
    "--how",
    type=click.Choice(["spin", "sleep", "python", "locked"]),
    default="spin",
    help="What slow stages do. [spin]",
)
@click.option("--turns", default=3, show_default=True, help="Measurements of each slow-down, in turn.")
@click.option("--only", metavar="STAGE", multiple=True, help="Only slow-downs of these stages.")
def observe(  # noqa: PLR0913 - parameters are options
    data: str | None,
    seconds: float,
    warm: float,
    rounds: int,
    blocks: int,
    cpus: int,
    how: How,
    turns: int,
    only: tuple[str, ...],
) -> None:
    """What the statistics cost, and whether verdicts on slowed pipelines are right."""
    cpus = keep_to(cpus)
    from tools.bench.observe.measure import measure_cost, measure_verdicts  # noqa: PLC0415 - numba counts the CPUs at import
    from tools.bench.observe.watched import measure_watching  # noqa: PLC0415 - the same

    measure_cost(blocks, rounds, cpus)
    measure_watching(rounds, cpus)
    settings = Settings(
        data=data or default_data(),
        seconds=seconds,
        warm=warm,
        rounds=turns,
        cpus=cpus,
        rates=(1.0,),
        only=only,
        pool=48,  # a large one would hide for minutes what the stages before it do
        batch=256,
    )
    measure_verdicts(settings, how, tell)


@main.command()
@click.option("--windows", default=6, show_default=True, help="Windows of one measurement.")
@click.option("--rounds", default=5, show_default=True, help="Measurements of each reader.")
@click.option("--cpus", default=2, show_default=True, help="CPUs to keep to.")
@click.option("--json", "sheet", metavar="PATH", type=click.Path(path_type=Path), help="Write it there.")
@click.option("--quick", is_flag=True, help="Whether it works at all: the figures mean nothing.")
def neural(windows: int, rounds: int, cpus: int, sheet: Path | None, quick: bool) -> None:
    """Windows of a recording in zarr: 0.7 GB in a temporary folder; and loading behind training."""
    cpus = keep_to(cpus)
    from tools.bench.neural.measure import NeuralSettings, measure_neural  # noqa: PLC0415 - numba counts the CPUs at import

    settings = NeuralSettings(windows=windows, rounds=rounds, cpus=cpus)
    if quick:
        settings = settings._replace(
            rows=256, columns=64, size=64, chunk=16, windows=2, rounds=1, train=0.001
        )
    with open_sheet(sheet) as paper:
        paper.content = measure_neural(settings, tell)


@main.command()
@click.option("--rows", default=1_000_000, show_default=True, help="Positions to make batches of.")
@click.option("--many", default=20_000_000, show_default=True, help="Positions of the large set.")
@click.option("--seconds", default=1.0, show_default=True, help="One measurement.")
@click.option("--warm", default=0.3, show_default=True, help="Seconds before each, from its first batch on.")
@click.option("--rounds", default=5, show_default=True, help="Measurements of each contender.")
@click.option("--cpus", default=2, show_default=True, help="CPUs to keep to.")
@click.option("--only", metavar="WORD", multiple=True, help="Only contenders with this in their name.")
@click.option("--rivals/--no-rivals", default=True, show_default=True, help="Other loaders on the same work.")
@click.option("--json", "sheet", metavar="PATH", type=click.Path(path_type=Path), help="Write it there.")
@click.option("--quick", is_flag=True, help="Whether it works at all: the figures mean nothing.")
def games(cpus: int, sheet: Path | None, quick: bool, **given: Any) -> None:
    """From packed positions to one-hot batches, and from moves to packed positions."""
    cpus = keep_to(cpus)
    from .games import measure, settings  # noqa: PLC0415 - numba counts the CPUs when it is imported

    asked = settings.Settings(cpus=cpus, **given)
    with open_sheet(sheet) as paper:
        paper.content = measure.measure_games(asked.quick() if quick else asked, tell)


@main.command()
@click.option("--rows", default=200_000, show_default=True, help="Molecules to make batches of.")
@click.option("--many", default=2_000_000, show_default=True, help="Molecules of the large set.")
@click.option("--batch", default=128, show_default=True, help="Molecules of a batch.")
@click.option("--seconds", default=1.0, show_default=True, help="One measurement.")
@click.option("--warm", default=0.3, show_default=True, help="Seconds before each, from its first batch on.")
@click.option("--rounds", default=5, show_default=True, help="Measurements of each contender.")
@click.option("--cpus", default=2, show_default=True, help="CPUs to keep to.")
@click.option("--only", metavar="WORD", multiple=True, help="Only contenders with this in their name.")
@click.option("--rivals/--no-rivals", default=True, show_default=True, help="Other loaders on the same work.")
@click.option("--json", "sheet", metavar="PATH", type=click.Path(path_type=Path), help="Write it there.")
@click.option("--quick", is_flag=True, help="Whether it works at all: the figures mean nothing.")
def molecules(cpus: int, sheet: Path | None, quick: bool, **given: Any) -> None:
    """From packed molecules to padded batches with pair indices."""
    cpus = keep_to(cpus)
    from .molecules import measure, settings  # noqa: PLC0415 - numba counts the CPUs when it is imported

    asked = settings.Settings(cpus=cpus, **given)
    with open_sheet(sheet) as paper:
        paper.content = measure.measure_molecules(asked.quick() if quick else asked, tell)


@main.command()
@click.option(
    "--data", metavar="PATTERN", help=f"Games; without it {SHARED} beside the clone, or the sample."
)
@click.option("--frames", default="200000,1000000", show_default=True, help="Frames of the reservoir.")
@click.option("--places", default="20,200,800", show_default=True, help="Batches behind which it is left.")
@click.option("--rate", default=1.0, show_default=True, help="Share of a game's frames to take.")
@click.option("--cpus", default=2, show_default=True, help="CPUs to keep to.")
@click.option("--json", "sheet", metavar="PATH", type=click.Path(path_type=Path), help="Write it there.")
@click.option("--quick", is_flag=True, help="Whether it works at all: the figures mean nothing.")
@click.option("--rivals", is_flag=True, help="Instead: what other loaders lose, repeat and refuse.")
@click.option("--only", metavar="WORD", multiple=True, help="With --rivals: loaders with this in their name.")
def resume(  # noqa: PLR0913 - parameters are options
    data: str | None,
    frames: str,
    places: str,
    rate: float,
    cpus: int,
    sheet: Path | None,
    quick: bool,
    rivals: bool,
    only: tuple[str, ...],
) -> None:
    """Going on from a state: the time to the first batch, what states weigh, and what they cost."""
    keep_to(cpus)
    if rivals:
        from .going_on.measure import Plan, measure_going_on  # noqa: PLC0415 - as below

        plan = Plan(rows=1200, each=60, rounds=1) if quick else Plan()
        with open_sheet(sheet) as paper:
            paper.content = measure_going_on(plan, only, tell)
        click.echo("\n".join([paper.content["table"], "", *paper.content["notes"]]))
        return
    from .resume import measure_resume  # noqa: PLC0415 - numba counts the CPUs when it is imported

    sizes = [500] if quick else [int(each) for each in frames.split(",")]
    behind = [2, 4] if quick else [int(each) for each in places.split(",")]
    with open_sheet(sheet) as paper:
        paper.content = measure_resume(data or default_data(), sizes, behind, rate, click.echo)


@main.command()
@click.option("--rounds", default=5, show_default=True, help="Measurements of each contender.")
@click.option("--readme", metavar="PATH", type=click.Path(path_type=Path), help="Write the section there.")
@click.option("--quick", is_flag=True, help="Whether it works at all: the figures mean nothing.")
def figures(rounds: int, readme: Path | None, quick: bool) -> None:
    """Everything that the README says of speed, anew: chess, games, molecules, neural; half an hour."""
    from .figures import measure_figures  # noqa: PLC0415 - numba counts the CPUs when it is imported

    click.echo(measure_figures(rounds, readme, quick=quick, tell=tell))


def tell(line: str) -> None:
    """Say what is going on, where results do not go."""
    click.echo(line, file=sys.stderr)
