"""What the `.meta` beside a SpikeGLX recording says: channels, rate, and what a number is in volts.

Source: billkarsh/SpikeGLX, "Metadata" of its documentation, and jenniferColonell/SpikeGLX_Datafile_Tools.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError, NoDataError
from flowload.files.foreign import foreign
from flowload.files.regular import opened

__all__ = ["Meta", "read_meta"]

LARGEST = 16 << 20  #: bytes of a `.meta`: those of 5,000 channels have one million
RATES = {"imec": "imSampRate", "nidq": "niSampRate", "obx": "obSampRate"}
FIXED_GAIN = {21: 80.0, 24: 80.0}  #: of the first Neuropixels 2.0, by type of probe
IN_TABLE = frozenset(
    {0, 1020, 1030, 1100, 1120, 1121, 1122, 1123, 1200, 1300}
)  #: types with gains in `imroTbl`
MOST = 1 << 20  #: channels


class Meta(NamedTuple):
    """What is needed of it."""

    path: Path
    kind: str  #: "imec", "nidq" or "obx"
    channels: int  #: that were saved
    rate: float  #: samples a second
    nbytes: int  #: of the recording
    said: Said

    def microvolts(self) -> NDArray[np.float32]:
        """(channels,): what a one is in each; 1 where there are no volts: digital words, and synchronisation.

        Raises DataError where the file does not say it.
        """
        acquired = {"imec": imec, "nidq": nidq, "obx": obx}[self.kind](self.said)
        saved = saved_channels(self.said, self.channels, len(acquired))
        return np.asarray(np.array(acquired)[saved], np.float32)


def read_meta(path: Path) -> Meta:
    """Read and check a `.meta`. Raises DataError that names the key, and NoDataError where there is none."""
    if not path.exists():
        raise NoDataError("no .meta", where=str(path), wanted="the file that SpikeGLX writes beside a .bin")
    with opened(path) as fd, open(fd, "rb", closefd=False) as file, foreign("unreadable", str(path)):
        size = os.fstat(fd).st_size
        if size > LARGEST:
            found, wanted = f"{size:,} bytes", f"at most {LARGEST:,}"
            raise DataError("file too large", where=str(path), found=found, wanted=wanted)
        text = file.read(size)
    said = Said(path, text.decode(errors="replace"))
    kind = said.word("typeThis")
    if kind not in RATES:
        raise said.bad("typeThis", f"one of {', '.join(RATES)}")
    channels = said.whole("nSavedChans", MOST)
    return Meta(
        path,
        kind,
        channels,
        said.number(RATES[kind]),
        said.whole("fileSizeBytes", 1 << 62),
        said,
    )


class Said:
    """The lines `key=value` of a `.meta`."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        pairs = (line.partition("=") for line in text.splitlines())
        self.values = {key.strip().removeprefix("~"): value.strip() for key, equals, value in pairs if equals}

    def word(self, key: str) -> str:
        """A value. Raises DataError where there is none."""
        if key not in self.values:
            raise DataError("a key is missing", where=str(self.path), wanted=f"{key}=...")
        return self.values[key]

    def number(self, key: str) -> float:
        """A positive number. Raises DataError."""
        try:
            value = float(self.word(key))
        except ValueError:
            value = float("nan")
        if not 0 < value < float("inf"):
            raise self.bad(key, "a number above 0")
        return value

    def whole(self, key: str, most: int) -> int:
        """A whole number from 1. Raises DataError."""
        text = self.word(key)
        if not (text.isascii() and text.isdigit() and len(text) < 20 and 1 <= int(text) <= most):
            raise self.bad(key, f"a whole number from 1 to {most:,}")
        return int(text)

    def counts(self, key: str, count: int) -> list[int]:
        """So many whole numbers between commas. Raises DataError."""
        words = self.word(key).split(",")
        if len(words) != count or not all(word.strip().isdigit() and len(word) < 8 for word in words):
            raise self.bad(key, f"{count} numbers between commas")
        return [int(word) for word in words]

    def bad(self, key: str, wanted: str) -> DataError:
        """The error for a value."""
        found = f"{key}={self.values[key][:60]}"
        return DataError("bad value", where=str(self.path), found=found, wanted=wanted)


def saved_channels(said: Said, channels: int, acquired: int) -> list[int]:
    """Which of the acquired channels were saved, in their order. Raises DataError."""
    key = "snsSaveChanSubset"
    text = said.values.get(key, "all")
    if text == "all":
        found = list(range(acquired))
    else:
        found = []
        for part in text.split(","):
            match = re.fullmatch(r"([0-9]{1,7})(?::([0-9]{1,7}))?", part.strip(), re.ASCII)
            if match is None:
                raise said.bad(key, "numbers and ranges such as 0:383,768")
            begin, end = int(match[1]), int(match[2] or match[1])
            found += range(begin, end + 1)
    if len(found) != channels or any(channel >= acquired for channel in found):
        said_of = f"{len(found)} channels of {acquired}, and nSavedChans={channels}"
        raise DataError("channels that differ", where=str(said.path), found=said_of, wanted="as many")
    return found


def imec(said: Said) -> list[float]:
    """Of a Neuropixels probe: action potentials, local fields, synchronisation."""
    ap, lf, sync = said.counts("acqApLfSy", 3)
    most = said.number("imMaxInt") if "imMaxInt" in said.values else 512.0
    unit = 1e6 * said.number("imAiRangeMax") / most
    gains = imec_gains(said, ap)
    return [unit / gain for gain, _ in gains] + [unit / gains[place][1] for place in range(lf)] + [1.0] * sync


def imec_gains(said: Said, channels: int) -> list[tuple[float, float]]:
    """The gains of each channel's two bands. Raises DataError."""
    if "imChan0apGain" in said.values:
        high = said.number("imChan0apGain")
        low = said.number("imChan0lfGain") if "imChan0lfGain" in said.values else high
        return [(high, low)] * channels
    probe = said.values.get("imDatPrb_type", "0")
    number = int(probe) if probe.isascii() and probe.isdigit() and len(probe) < 9 else -1
    if number in FIXED_GAIN:
        return [(FIXED_GAIN[number],) * 2] * channels
    if number not in IN_TABLE:
        found, wanted = (
            f"imDatPrb_type={probe[:20]}",
            "imChan0apGain, or a type of probe whose gains are known",
        )
        raise DataError("no gain", where=str(said.path), found=found, wanted=wanted)
    entries = re.findall(r"\(([^()]*)\)", said.word("imroTbl"))[1:]
    words = [entry.split() for entry in entries]
    if len(words) < channels or any(len(row) < 5 for row in words):
        raise said.bad("imroTbl", f"{channels} entries (channel bank reference apgain lfgain ...)")
    try:
        gains = [(float(row[3]), float(row[4])) for row in words[:channels]]
    except ValueError:
        gains = [(0.0, 0.0)]
    if not all(high > 0 and low > 0 for high, low in gains):
        raise said.bad("imroTbl", "gains above 0")
    return gains


def nidq(said: Said) -> list[float]:
    """Of a National Instruments device: multiplexed neural and auxiliary, analog, and digital channels."""
    neural, auxiliary, analog, digital = said.counts("acqMnMaXaDw", 4)
    most = said.number("niMaxInt") if "niMaxInt" in said.values else 32768.0
    unit = 1e6 * said.number("niAiRangeMax") / most
    first = [unit / said.number("niMNGain")] * neural if neural else []
    second = [unit / said.number("niMAGain")] * auxiliary if auxiliary else []
    return [*first, *second, *[unit] * analog, *[1.0] * digital]


def obx(said: Said) -> list[float]:
    """Of a OneBox: analog channels, digital ones, synchronisation."""
    analog, digital, sync = said.counts("acqXaDwSy", 3)
    most = said.number("obMaxInt") if "obMaxInt" in said.values else 32768.0
    unit = 1e6 * said.number("obAiRangeMax") / most
    return [unit] * analog + [1.0] * (digital + sync)
