"""How much memory the batches of a run take, for estimates, and who prepares it."""

from __future__ import annotations

from collections.abc import Iterable

from flowload.abc.operators import Device, Setting
from flowload.abc.records import LayoutRecords
from flowload.platforms import size_class
from flowload.stages.device.places import goes_to_card, of_batches, workers_between

from .arrays.gather import check_layout

__all__ = ["IN_EACH_LANE", "WAITING", "device_of", "made_bytes", "under_way", "writing_bytes"]

#: Batches that are encoded and not yet let go: one waits for its turn, one lies in the queue, one ready
#: for the reader, who has two while it goes from one to the next.
DONE = 5

#: Of small batches there may be more at work, waiting for their turn, and ready: so many, of so many bytes.
MANY, SMALL = 32, 4 << 20

#: Batches that are cut, and wait: in the fold, in the queue, for a thread.
WAITING = 5

#: The same in each of several lanes: one that waits for its turn, and what there is of the next.
IN_EACH_LANE = 2


def made_bytes(setting: Setting, workers: int, nbytes: int, together: int) -> int:
    """Bytes of all batches of a run, where one has so many, and so many go together."""
    if goes_to_card(setting):
        return of_batches(workers + workers_between(setting), nbytes) * size_class(nbytes)
    return under_way(nbytes, workers, together)


def under_way(nbytes: int, workers: int, together: int) -> int:
    """Bytes of all batches of a run, at most, where one has so many, and so many go together."""
    block = nbytes * together
    place = max(block, min(MANY * block, SMALL))
    return (workers + 2) * place + (DONE - 2) * block


def writing_bytes(records: Iterable[LayoutRecords], layout: str | None, by: str, limit: int) -> int:
    """Bytes that one call has beside what it leases, as far as records tell: see `LayoutRecords`.

    Args:
        records: that batches are made of.
        layout: of the batches; None: each format's first.
        by: what `limit` counts: "rows", "atoms" or "edges".
        limit: of a batch.
    """
    found = 0
    for each in records:
        told = getattr(each, "writing_bytes", None)
        if told is not None:
            found = max(found, int(told(check_layout(each.name, each.layouts, layout), by, limit)))
    return found


def device_of(setting: Setting) -> Device | None:
    """What prepares batch memory, as the next stage that goes to a device says."""
    for stage in setting.downstream:
        device = getattr(stage, "device", None)
        if callable(device):
            found: Device | None = device(setting)
            return found
    return None
