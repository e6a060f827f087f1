"""How much memory one record takes while it waits, for estimates."""

from __future__ import annotations

from flowload.abc.chunk_formats import PackingFormat
from flowload.abc.operators import Setting
from flowload.stages.registry import own_formats

__all__ = ["RECORD", "row_size"]

RECORD = 8356  #: bytes of an lc0 record on disk, as most are today: the guess where nothing is known


def row_size(setting: Setting) -> int:
    """Bytes of a row of the formats that are read upstream; packed, where the format packs."""
    formats = own_formats(setting.upstream)
    return max([form.row_bytes for form in formats if isinstance(form, PackingFormat)], default=RECORD)
