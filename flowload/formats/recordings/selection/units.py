"""What makes a quantity, such as volts, of the numbers that a file stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError

__all__ = ["Scale", "Units", "converted_dtype"]


class Scale:
    """Numbers times factors, and an offset added, in float64.

    Args:
        factors: for the rows of a window: none, or one for each place of the first axis behind time.
        offset: is added.
    """

    def __init__(self, factors: NDArray[np.float64], offset: float) -> None:
        self.factors = factors
        self.offset = offset

    def of(self, block: NDArray[Any], places: Any) -> NDArray[np.float64]:
        """The quantity.

        Args:
            block: (rows, ...) stored numbers.
            places: of the window, along the first axis behind time, that they are.
        """
        factors = self.factors
        if factors.ndim:
            factors = factors[places].reshape(-1, *(1,) * (block.ndim - 2))
        made: NDArray[np.float64] = np.multiply(block, factors, dtype=np.float64)
        made += self.offset
        return made


@dataclass(frozen=True)
class Units:
    """Stored numbers * conversion (* that of the channel) + offset, in a unit; as NWB has it.

    Args:
        where: for messages.
        unit: what it is then.
        conversion: of all.
        offset: is added behind.
        channels: factors of axis 1; empty: there are none.
    """

    where: str
    unit: str = ""
    conversion: float = 1.0
    offset: float = 0.0
    channels: tuple[float, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether the quantity is anything but the numbers."""
        return self.conversion != 1 or self.offset != 0 or any(factor != 1 for factor in self.channels)

    def scale(self, shape: tuple[int, ...], places: NDArray[np.int64] | None) -> Scale:
        """For a part of an array's rows. Raises DataError where it has no factor for each channel.

        Args:
            shape: of the array, time first.
            places: that are taken of axis 1; None: the array has none.
        """
        if not self.channels:
            return Scale(np.array(self.conversion, np.float64), self.offset)
        if places is None or len(self.channels) != shape[1]:
            found, wanted = f"{len(self.channels):,}", f"one for each channel of shape {list(shape)}"
            raise DataError("other channel conversions", where=self.where, found=found, wanted=wanted)
        return Scale(np.array(self.channels, np.float64)[places] * self.conversion, self.offset)

    def __str__(self) -> str:
        channels = " * channel_conversion" * bool(self.channels)
        offset = f" + {self.offset:g}" * bool(self.offset)
        return f"{self.unit or 'the quantity'} = number * {self.conversion:g}{channels}{offset}"


def converted_dtype(stored: np.dtype[Any]) -> np.dtype[Any]:
    """The least float that has all digits of stored numbers: of 16 bits and less, and float32, float32."""
    small = stored.itemsize <= 2 or stored == np.float32
    return np.dtype(np.float32 if small else np.float64)
