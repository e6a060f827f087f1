"""Ranks that leave together: each says after every step whether it was asked to, and hears of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowload.errors import RankError

from .ranks import group_of_all, process_group

if TYPE_CHECKING:
    import torch
    import torch.distributed as dist

__all__ = ["Wishes", "wishes_of_ranks"]


class Wishes:
    """What the ranks of a process group were asked, over a gloo group of their own. Making one waits for all.

    A step does not wait for an exchange: what is said after one is heard after the next, and meanwhile the
    exchange is under way. All ranks hear the same, after the same step, as all make as many.

    Args:
        distributed: `torch.distributed`, with a default group.
    """

    def __init__(self, distributed: Any) -> None:
        self.distributed = distributed
        self.group = group_of_all(distributed)
        self.under_way: dist.Work | None = None
        self.numbers: torch.Tensor | None = None

    @property
    def first(self) -> bool:
        """Whether this is the rank that writes for all."""
        return bool(self.distributed.get_rank() == 0)

    def tell(self, number: int) -> int:
        """Say what this rank was asked (a signal; 0: nothing); the highest of what all said a step before."""
        import torch  # noqa: PLC0415 - there is a process group, so it is loaded

        before = self.hear()
        self.numbers = torch.tensor([number], dtype=torch.int64)
        operation = self.distributed.ReduceOp.MAX
        self.under_way = self.distributed.all_reduce(self.numbers, operation, group=self.group, async_op=True)
        return before

    def hear(self) -> int:
        """What came of the exchange that is under way; 0 where none is. Raises RankError."""
        work, self.under_way = self.under_way, None
        if work is None or self.numbers is None:
            return 0
        try:
            work.wait()
        except RuntimeError as error:  # torch raises no other where a connection is lost, or time is up
            raise RankError(f"the other ranks cannot be reached any more: {error}") from error
        return int(self.numbers[0])

    def close(self) -> None:
        """Let the group go. An exchange that is under way has been begun by all, or somebody is gone."""
        try:
            self.hear()
        except RankError:
            pass  # the reader's own error tells more
        finally:
            if self.distributed.is_initialized():
                self.distributed.destroy_process_group(self.group)


def wishes_of_ranks() -> Wishes | None:
    """Those of the default process group; None where there is none, or one rank alone."""
    group = process_group()
    return None if group is None or group.get_world_size() < 2 else Wishes(group)
