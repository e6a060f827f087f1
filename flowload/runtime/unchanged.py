"""The last look at files: what a run has read must have stayed as it was."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from flowload.abc.powers import Checking
from flowload.errors import DataError
from flowload.runtime.tasks.call import Member
from flowload.runtime.threads.executor import Executor

__all__ = ["check_files"]

log = logging.getLogger("flowload")


async def check_files(members: Iterable[Member], executor: Executor) -> None:
    """Ask every operator that read files, in a thread. Raises DataError, noted with the stage."""
    for member in members:
        if isinstance(member.operator, Checking):
            with member:
                try:
                    await executor.run(member.operator.check_files)
                except DataError as error:  # each block was right when it was read
                    if member.stage.on_error == "raise":
                        raise
                    log.warning("%s: %s", member.node, error)
