"""Which arrays a batch of molecules consists of."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from flowload.abc.records import Fields

from .pairs import Pairs

__all__ = ["LAYOUTS", "Arrays", "fields_of"]

INT, FLOAT, DOUBLE, BOOL = (np.dtype(kind) for kind in (np.int32, np.float32, np.float64, np.bool_))


class Arrays(NamedTuple):
    """The arrays that a layout has beside `Z, R, F, E, Qtot`."""

    pairs: Pairs  #: of the published loaders
    sizes: bool  #: `N`, and `batch_segments`
    mask: bool


LAYOUTS = {
    "physnet": Arrays(pairs="molecule", sizes=True, mask=False),
    "masked": Arrays(pairs="none", sizes=False, mask=True),
}


@lru_cache(maxsize=256)
def fields_of(layout: str, slots: int) -> Fields:
    """Shape and dtype of one sample of each array that has one row a molecule."""
    also = LAYOUTS[layout]
    fields: Fields = {
        "Z": ((slots,), INT),
        "R": ((slots, 3), FLOAT),
        "F": ((slots, 3), FLOAT),
        "E": ((), DOUBLE),
        **({"N": ((), INT)} if also.sizes else {}),
        "Qtot": ((), DOUBLE),
        **({"mask": ((slots,), BOOL)} if also.mask else {}),
    }
    return fields
