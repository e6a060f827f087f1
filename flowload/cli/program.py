"""The program: its commands, and what the shell gets back."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Sequence

import click

from .status import run_command
from .versions import own_version

__all__ = ["main", "program"]


COMMANDS = {
    "graph": "picture",
    "index": "index",
    "new": "new",
    "pack": "pack",
    "profile": "profile",
    "replay": "replay",
    "run": "run",
    "sample": "sample",
    "show": "show",
    "watch": "watch",
}  #: by name, which is that of the module, too: what it calls it


class Commands(click.Group):
    """Imports a command when it is asked for: all of them take a tenth of a second."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """Their names."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """One of them; None for a name that is none."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"flowload.cli.commands.{cmd_name}")
        command: click.Command = getattr(module, COMMANDS[cmd_name])
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(own_version(), prog_name="flowload", message="%(prog)s %(version)s")
def program() -> None:
    """Training data from disk to device, through a graph that accounts for every sample."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; the exit status.

    0: it went as asked. 1: the run failed. 2: a mistake in what was asked for. 130: Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no check mark must not end a run
    return run_command(program, argv, "flowload")
