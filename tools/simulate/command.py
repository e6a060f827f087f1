"""The command: a table of what trainers reach, for one shape of a cluster."""

from __future__ import annotations

import json as jsons
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click

from flowload.cli.complaint import complain, status_of
from flowload.cli.parsing.command import Asked, FileCommand
from flowload.cli.parsing.completion import PipelineFile
from flowload.cli.parsing.numbers import limit
from flowload.cli.view.lines import say
from flowload.observe.figures import align, duration

from .check import Point, check
from .cluster import Cluster
from .costs import Costs, measured, of_file
from .quantity import BYTES, BYTES_A_SECOND
from .steps import Reached, simulate

__all__ = ["main"]

NAME = "python tools/simulate"
HEAD = ("trainers", "samples/s", "of the most", "devices wait", "a pass", "held by")
SIDES = ">>>>><"
DAYS = 2  #: from so many on they are said, not hours


def numbers(_context: click.Context, _parameter: click.Parameter, value: str) -> list[int]:
    """Whole numbers with commas between."""
    try:
        found = [int(word) for word in value.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 1:
        raise click.BadParameter(f"{value!r}; wanted whole numbers from 1, with commas between")
    return found


COUNT = click.IntRange(0)


@click.command(cls=FileCommand)
@click.argument("file", type=PipelineFile(path_type=Path))
@click.option(
    "--seconds", metavar="S", type=limit(whole=False, most=1e6), default=10, help="Run it so long. [10]"
)
@click.option(
    "--costs", metavar="PATH", type=click.Path(path_type=Path), help="Costs of --save; nothing is run."
)
@click.option(
    "--save", metavar="PATH", type=click.Path(path_type=Path), help="Write what a sample costs there."
)
@click.option("--check", "checked", is_flag=True, help="Compare with 1, 2 and 4 processes on this machine.")
@click.option("--trainers", metavar="N,N", callback=numbers, default="1,8,64,256", help="[1,8,64,256]")
@click.option("--trainer-cpus", type=COUNT, default=16, help="CPUs of a trainer for its data. [16]")
@click.option(
    "--trainer-network", type=BYTES_A_SECOND, default="25Gbit", help="A second, of a trainer. [25Gbit]"
)
@click.option(
    "--demand", type=float, help="Samples a second that a trainer's device takes; else as many as come."
)
@click.option("--data-nodes", type=COUNT, default=0, help="Nodes that run the pipeline up to --cut. [0]")
@click.option("--data-cpus", type=COUNT, default=64, help="CPUs of a data node. [64]")
@click.option("--data-network", type=BYTES_A_SECOND, default="100Gbit", help="A second, of one. [100Gbit]")
@click.option("--cut", metavar="STAGE", help="The last stage that data nodes run.")
@click.option(
    "--store", type=BYTES_A_SECOND, default="100Gbit", help="A second, of the whole store. [100Gbit]"
)
@click.option("--stored", type=BYTES, default="100TB", help="Of the data. [100TB]")
@click.option("--cache", type=BYTES, default="0", help="For objects, on each node that reads. [0]")
@click.option("--sample-bytes", metavar="N", type=float, help="Of files, for each sample; else as measured.")
@click.option("--brought", type=float, default=1.0, help="Bytes brought for each that is used. [1]")
@click.option(
    "--simulated", metavar="N", type=click.IntRange(50), default=1000, help="Steps of the simulation. [1000]"
)
@click.option("--json", metavar="PATH", type=click.Path(path_type=Path), help="Write the numbers there.")
@click.pass_obj
def run(
    asked: Asked, /, *, file: Path, costs: Path | None, save: Path | None, json: Path | None, **given: object
) -> int:
    """Learn what a sample of the pipeline that FILE draws costs, and tell what a cluster would make of it."""
    del file  # its drawing was made when the command line was read
    known = of_file(costs) if costs else measured(asked.file.draw(), seconds=float(str(given["seconds"])))
    if given["sample_bytes"] is not None:
        known = replace(known, stored=float(str(given["sample_bytes"])), called=True)
    if save is not None:
        known.write(save)
    for line in told_of(known):
        say(line)
    if given["checked"]:
        points = list(check(known, asked.file.path, asked.file.given, seconds=float(str(given["seconds"]))))
        for line in table_of_points(points):
            say(line)
        found: list[object] = [point._asdict() for point in points]
    else:
        reached = list(over(known, cluster_of(given), given))
        for line in table(reached):
            say(line)
        found = [{"trainers": trainers, **one._asdict()} for trainers, one in reached]
    if json is not None:
        json.write_text(jsons.dumps(found, indent=1), encoding="utf-8")
    return 0


def cluster_of(given: dict[str, object]) -> Cluster:
    """The machines that the options tell of. Raises click.UsageError for data nodes without a cut."""
    if bool(given["data_nodes"]) != bool(given["cut"]):
        raise click.UsageError(
            "--data-nodes and --cut belong together: which stage is the last that they run?"
        )
    demand = given["demand"]
    return Cluster(
        trainers=1,
        cpus=float(str(given["trainer_cpus"])),
        nic=float(str(given["trainer_network"])),
        demand=None if demand is None else float(str(demand)),
        data_nodes=int(str(given["data_nodes"])),
        data_cpus=float(str(given["data_cpus"])),
        data_nic=float(str(given["data_network"])),
        store=float(str(given["store"])),
        data=float(str(given["stored"])),
        cache=float(str(given["cache"])),
        amplification=float(str(given["brought"])),
    )


def over(costs: Costs, cluster: Cluster, given: dict[str, object]) -> Iterator[tuple[int, Reached]]:
    """What each number of trainers reaches."""
    trainers, cut = given["trainers"], given["cut"]
    assert isinstance(trainers, list)  # noqa: S101 - `numbers` made it
    for number in trainers:
        one = replace(cluster, trainers=number)
        yield (
            number,
            simulate(costs, one, None if cut is None else str(cut), steps=int(str(given["simulated"]))),
        )


def told_of(costs: Costs) -> list[str]:
    """What a sample costs, stage by stage."""
    rows = [("stage", "CPU, µs a sample", "bytes out a sample")]
    rows += [(s.name, f"{s.cpu * 1e6:,.2f}", f"{s.bytes_out:,.0f}") for s in costs.stages]
    rows.append(("outside of stages", f"{costs.other * 1e6:,.2f}", ""))
    how = (
        "from files"
        if costs.called
        else "from files, which are mapped: as many as a batch has; --sample-bytes"
    )
    return [
        *align(rows, "<>>"),
        f"{costs.stored:,.0f} bytes a sample {how}; {costs.batch:,.0f} samples a batch",
        "",
    ]


def table(reached: Sequence[tuple[int, Reached]]) -> list[str]:
    """A row for each number of trainers."""
    rows = [HEAD]
    rows += [
        (
            f"{trainers:,}",
            f"{one.rate:,.0f}",
            f"{one.rate / one.ceiling:.0%}",
            f"{one.waited:.0%}" if one.device else "",
            long_duration(one.pass_seconds),
            one.bound,
        )
        for trainers, one in reached
    ]
    return align(rows, SIDES)


def long_duration(seconds: float) -> str:
    """In days, where it takes days."""
    return f"{seconds / 86400:,.1f} days" if seconds > DAYS * 86400 else duration(seconds)


def table_of_points(points: Sequence[Point]) -> list[str]:
    """A row for each number of processes."""
    rows: list[tuple[str, ...]] = [
        ("processes", "CPUs they had", "reckoned, samples/s", "reached", "reached / reckoned")
    ]
    for point in points:
        numbers = (point.reckoned, point.reached)
        share = f"{point.reached / point.reckoned:.2f}"
        rows.append(
            (f"{point.processes}", f"{point.cpus:.2f}", *(f"{value:,.0f}" for value in numbers), share)
        )
    return align(rows, ">>>>>")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; the exit status."""
    try:
        return int(run.main(args=argv, prog_name=NAME, standalone_mode=False, obj=Asked()))
    except click.ClickException as error:
        say(f"simulate: {error.format_message()}", err=True)
        return error.exit_code
    except click.Abort:
        return 130
    except Exception as error:  # noqa: BLE001 - the outermost: whatever it is, it is told and the status says so
        say(complain(error, verbose=False), err=True)
        return status_of(error)
