"""What the shell gets back of a command, whatever becomes of it."""

from __future__ import annotations

from collections.abc import Sequence

import click

from flowload.cli.view.lines import say

from .complaint import complain, status_of
from .parsing.command import Asked

__all__ = ["run_command"]


def run_command(command: click.Command, argv: Sequence[str] | None, name: str) -> int:
    """Run it; the exit status. What went wrong is told, under the last word of its name."""
    asked = Asked()
    try:
        return int(command.main(args=argv, prog_name=name, standalone_mode=False, obj=asked) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        say(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        say(f"{name.replace('/', ' ').split()[-1]}: {error.format_message()}", err=True)
        return error.exit_code
    except click.Abort:
        return 130
    except Exception as error:  # noqa: BLE001 - the outermost: whatever it is, it is told and the status says so
        say(complain(error, verbose=asked.verbose > 0), err=True)
        return status_of(error)
