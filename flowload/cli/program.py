"""The program: its commands, and what the shell gets back."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

import click

from flowload.cli.commands.graph import picture
from flowload.cli.commands.new import new
from flowload.cli.commands.pack import pack
from flowload.cli.commands.profile import profile
from flowload.cli.commands.run import run
from flowload.cli.commands.sample import sample
from flowload.cli.commands.show import show
from flowload.cli.commands.watch import watch
from flowload.cli.view.lines import say

from .command import Asked
from .complaint import complain, status_of
from .versions import own_version

__all__ = ["main", "program"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(own_version(), prog_name="flowload", message="%(prog)s %(version)s")
def program() -> None:
    """Training data from disk to device, through a graph that accounts for every sample."""


program.add_command(picture)
program.add_command(new)
program.add_command(pack)
program.add_command(profile)
program.add_command(run)
program.add_command(sample)
program.add_command(show)
program.add_command(watch)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; the exit status.

    0: it went as asked. 1: the run failed. 2: a mistake in what was asked for. 130: Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no check mark must not end a run
    asked = Asked()
    try:
        status = program.main(args=argv, prog_name="flowload", standalone_mode=False, obj=asked)
    except click.exceptions.NoArgsIsHelpError as error:
        say(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        say(f"flowload: {error.format_message()}", err=True)
        return error.exit_code
    except click.Abort:
        return 130
    except Exception as error:  # noqa: BLE001 - the outermost: whatever it is, it is told and the status says so
        say(complain(error, verbose=asked.verbose > 0), err=True)
        return status_of(error)
    return int(status or 0)
