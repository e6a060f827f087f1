"""The words of `python tools/gpu_check`."""

from __future__ import annotations

import gc
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import torch

from .bench import DRY, FULL, Bench
from .card import Card
from .checks import CHECKS
from .findings import Finding, write_json

__all__ = ["main"]

MINUTES = 9  #: after which no further check begins


def chosen(_: click.Context, __: click.Parameter, text: str | None) -> Sequence[str]:
    """Names of checks, as --only has them."""
    names = list(CHECKS) if text is None else [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in CHECKS]:
        raise click.BadParameter(f"no check is called {', '.join(unknown)}; there are {', '.join(CHECKS)}")
    return names


def bench_of(device: str, cpu: bool, folder: Path, sizes: dict[str, int | None]) -> Bench:
    """The bench; a usage error where torch has no such card."""
    wanted = {key: value for key, value in sizes.items() if value is not None}
    if cpu:
        return Bench(Card(torch.device("cpu")), folder, sizes=DRY._replace(**wanted))
    if not torch.cuda.is_available():
        raise click.UsageError(
            f"torch {torch.__version__} finds no card here; --cpu tries the checks themselves, without one"
        )
    card = torch.device(device)
    torch.cuda.set_device(card)
    return Bench(
        Card(torch.device("cuda", torch.cuda.current_device())), folder, sizes=FULL._replace(**wanted)
    )


def found(name: str, bench: Bench) -> Iterator[Finding]:
    """What a check finds, and that it failed to."""
    try:
        yield from CHECKS[name](bench)
    except Exception as error:  # noqa: BLE001 - the other checks go on; what it was is told
        traceback.print_exc(limit=-6)
        yield Finding(f"{name} could not be made", False, {"error": f"{type(error).__name__}: {error}"[:300]})


def make(names: Sequence[str], bench: Bench, out: Path, about: dict[str, Any]) -> list[tuple[str, Finding]]:
    """Every check in its turn, each finding told and kept as soon as it is known."""
    began = time.perf_counter()
    findings: list[tuple[str, Finding]] = []
    for name in names:
        since = time.perf_counter()
        late = since - began > MINUTES * 60
        each = (
            [Finding(f"{name} was not made: {MINUTES} minutes are over", False)]
            if late
            else found(name, bench)
        )
        for finding in each:
            click.echo(finding.line())
            findings.append((name, finding))
            write_json(out, {**about, "complete": False}, findings)
        gc.collect()
        bench.card.wait()
        click.echo(f"      {name}: {time.perf_counter() - since:.1f} s")
    write_json(out, {**about, "complete": True, "seconds": round(time.perf_counter() - began, 1)}, findings)
    return findings


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--cpu", is_flag=True, help="A dry run: the same checks, small, on the CPU. It says nothing of a card."
)
@click.option("--device", default="cuda", show_default=True, help="The card, as torch names it: cuda:1.")
@click.option("--only", metavar="NAME,NAME", callback=chosen, help=f"Of: {', '.join(CHECKS)}.")
@click.option("--rows", "window_rows", type=click.IntRange(64), help="Of a window. [65536]")
@click.option("--neurons", type=click.IntRange(2), help="Columns of a window. [13741]")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the recording of the windows goes (9 GB), and is found again. [a temporary one]",
)
@click.option(
    "-o", "--out", type=click.Path(path_type=Path, dir_okay=False), default=Path("gpu_check.json"),
    show_default=True, help="Where the findings go, too.",
)  # fmt: skip
def main(
    cpu: bool,
    device: str,
    only: Sequence[str],
    window_rows: int | None,
    neurons: int | None,
    folder: Path | None,
    out: Path,
) -> None:
    """Whether flowload's way to a GPU is right on this machine, and how fast: a line for each finding.

    Takes ten minutes at most. PASS and FAIL are judgements, INFO is a figure; 1 is the status if one failed.
    """
    with tempfile.TemporaryDirectory(prefix="gpu_check_") as own:
        place = Path(own) if folder is None else folder
        place.mkdir(parents=True, exist_ok=True)
        bench = bench_of(device, cpu, place, {"window_rows": window_rows, "neurons": neurons})
        with bench.locks.watched():
            findings = make(
                only, bench, out, {"card": bench.card.name, "dry": cpu, "torch": torch.__version__}
            )
    counts = {word: sum(finding.word == word for _, finding in findings) for word in ("PASS", "FAIL", "INFO")}
    click.echo(f"{', '.join(f'{count} {word}' for word, count in counts.items())}; wrote {out}")
    if cpu:
        click.echo("This was a dry run on the CPU: it says that the checks run, and nothing of a card.")
    for name, finding in findings:
        if finding.ok is False:
            click.echo(f"failed, {name}: {finding.name}")
    raise SystemExit(1 if counts["FAIL"] else 0)
