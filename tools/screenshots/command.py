"""The words of `python tools/screenshots`: which pictures, and where they go."""

from __future__ import annotations

from pathlib import Path

import click

import flowload as fl
from flowload.sample import sample_path

from .shots import page_shots, picture_of, terminal_shot

__all__ = ["main"]

DOCS = Path(__file__).resolve().parents[2] / "docs"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--out",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=DOCS,
    help="Where they go. [docs]",
)
@click.option("--seconds", default=40.0, show_default=True, help="Of the run.")
@click.option("--only", type=click.Choice(["chess.svg", "live.png", "terminal.png"]), multiple=True)
def screenshots(out: Path, seconds: float, only: tuple[str, ...]) -> None:
    """Run the chess pipeline with a trainer that takes some time, and draw it.

    chess.svg is the picture of it, live.png and live_dark.png are its page, terminal.png is its terminal
    view. The page is photographed by Chromium, through playwright.
    """
    wanted = only or ("chess.svg", "live.png", "terminal.png")
    graph = fl.load("chess", batch_size=256, device="cpu", data=str(sample_path("chess")))
    if "chess.svg" in wanted:
        picture_of(graph, "chess", seconds, out / "chess.svg")
    if "live.png" in wanted:
        page_shots(graph, "chess", seconds, out / "live.png", out / "live_dark.png")
    if "terminal.png" in wanted:
        terminal_shot(graph, "chess", seconds, out / "terminal.png")
    for path in sorted(out.glob("*")):
        if path.name in {*wanted, "live_dark.png"}:
            click.echo(f"{path}: {path.stat().st_size:,} bytes")


def main() -> int:
    """Run the tool."""
    screenshots()
    return 0
