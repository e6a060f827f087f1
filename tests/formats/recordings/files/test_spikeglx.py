"""SpikeGLX's `.bin` with its `.meta`, against numpy and gains computed by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowload.errors import DataError, NoDataError
from flowload.formats.recordings.files.spikeglx_meta import read_meta
from tests.formats.recordings.files.reading import check_windows, windows_of

ROWS = 50


def table(gains: list[tuple[int, int]], probe: int = 0) -> str:
    """`imroTbl` of these gains."""
    entries = "".join(f"({n} 0 0 {ap} {lf} 1)" for n, (ap, lf) in enumerate(gains))
    return f"({probe},{len(gains)}){entries}"


IMEC = {
    "typeThis": "imec",
    "imSampRate": "30000.27",
    "imAiRangeMax": "0.6",
    "imAiRangeMin": "-0.6",
    "imMaxInt": "512",
    "acqApLfSy": "4,4,1",
    "snsApLfSy": "4,0,1",
    "snsSaveChanSubset": "0:3,8",
    "nSavedChans": "5",
    "~imroTbl": table([(500, 250), (1000, 125), (250, 250), (500, 50)]),
}
NIDQ = {
    "typeThis": "nidq",
    "niSampRate": "25000",
    "niAiRangeMax": "5",
    "niMNGain": "200",
    "niMAGain": "1",
    "acqMnMaXaDw": "2,1,1,1",
    "snsMnMaXaDw": "2,1,1,1",
    "nSavedChans": "5",
}
OBX = {
    "typeThis": "obx",
    "obSampRate": "30303",
    "obAiRangeMax": "5",
    "acqXaDwSy": "3,1,1",
    "nSavedChans": "5",
}


def record(path: Path, said: dict[str, str], **more: str) -> Any:
    """A recording; the values of keys that are empty are left out."""
    data = np.random.default_rng(0).integers(-512, 512, (ROWS, 5)).astype("<i2")
    data.tofile(path)
    lines = {"fileSizeBytes": str(data.nbytes), **said, **more}
    text = "".join(f"{key}={value}\n" for key, value in lines.items() if value)
    path.with_suffix(".meta").write_text(text)
    return data


@pytest.mark.parametrize("said", [IMEC, NIDQ, OBX])
def test_raw_numbers(tmp_path: Path, said: dict[str, str]) -> None:
    path = tmp_path / "run_g0_t0.imec0.ap.bin"
    data = record(path, said)
    check_windows(path, data)
    check_windows(path, data[:, 1:3], "raw", neurons=slice(1, 3))


LF = {"snsApLfSy": "0,4,1", "snsSaveChanSubset": "4:8"}
NP2 = {"~imroTbl": "", "imDatPrb_type": "21", "imMaxInt": "8192", "imAiRangeMax": "0.5", "acqApLfSy": "4,0,1"}
NEW = {"imDatPrb_type": "2013", "imChan0apGain": "100", "imMaxInt": "2048", "acqApLfSy": "4,0,1"}


@pytest.mark.parametrize(
    ("said", "more", "volts"),
    [
        (IMEC, {}, [0.6 / 512 / gain for gain in (500, 1000, 250, 500)] + [1e-6]),
        (IMEC, LF, [0.6 / 512 / gain for gain in (250, 125, 250, 50)] + [1e-6]),
        (IMEC, {"snsSaveChanSubset": "3,1,0,2,8"}, [0.6 / 512 / g for g in (500, 1000, 500, 250)] + [1e-6]),
        (IMEC, {"imMaxInt": ""}, [0.6 / 512 / gain for gain in (500, 1000, 250, 500)] + [1e-6]),
        (IMEC, {**NP2, "snsSaveChanSubset": "all"}, [0.5 / 8192 / 80] * 4 + [1e-6]),
        (IMEC, {**NEW, "snsSaveChanSubset": "all"}, [0.6 / 2048 / 100] * 4 + [1e-6]),
        (NIDQ, {}, [5 / 32768 / 200] * 2 + [5 / 32768, 5 / 32768, 1e-6]),
        (NIDQ, {"niMaxInt": "8192"}, [5 / 8192 / 200] * 2 + [5 / 8192, 5 / 8192, 1e-6]),
        (OBX, {}, [5 / 32768] * 3 + [1e-6] * 2),
    ],
)
def test_microvolts(tmp_path: Path, said: dict[str, str], more: dict[str, str], volts: list[float]) -> None:
    path = tmp_path / "a.bin"
    data = record(path, said, **more)
    factors = (np.array(volts) * 1e6).astype(np.float32)
    (rate,) = (float(value) for key, value in said.items() if key.endswith("SampRate"))
    assert read_meta(path.with_suffix(".meta")).rate == rate
    check_windows(path, data * factors, "microvolts")
    check_windows(path, (data * factors)[:, [4, 0]], "microvolts", neurons=[4, 0])
    check_windows(path, (data * factors)[:, 3:], "microvolts", neurons=slice(3, 5))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"typeThis": ""}, r"a.meta: a key is missing; wanted typeThis="),
        ({"typeThis": "odd"}, r"a.meta: bad value; found typeThis=odd; wanted one of imec, nidq, obx"),
        ({"nSavedChans": "0"}, r"a.meta: bad value; found nSavedChans=0"),
        ({"nSavedChans": "x"}, r"a.meta: bad value; found nSavedChans=x"),
        ({"fileSizeBytes": "400"}, r"a.bin: wrong size; found 500 bytes; wanted the 400 of fileSizeBytes"),
        ({"fileSizeBytes": "600"}, r"a.bin: truncated; found 500 bytes; wanted the 600 of fileSizeBytes"),
        ({"nSavedChans": "7"}, r"a.bin: wrong file size; found 500 bytes; wanted a multiple of 14"),
        ({"imSampRate": "-1"}, r"a.meta: bad value; found imSampRate=-1; wanted a number above 0"),
    ],
)
def test_files_that_are_wrong(tmp_path: Path, more: dict[str, str], message: str) -> None:
    record(tmp_path / "a.bin", IMEC, **more)
    with pytest.raises(DataError, match=message):
        windows_of(tmp_path / "a.bin")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"imAiRangeMax": "much"}, "bad value; found imAiRangeMax=much"),
        ({"acqApLfSy": "4,4"}, "bad value; found acqApLfSy=4,4; wanted 3 numbers"),
        ({"~imroTbl": ""}, "a key is missing; wanted imroTbl="),
        ({"~imroTbl": table([(500, 250)])}, "bad value; found imroTbl=.*wanted 4 entries"),
        ({"~imroTbl": table([(500, 0)] * 4)}, "bad value; found imroTbl=.*wanted gains above 0"),
        ({"imDatPrb_type": "1110"}, "no gain; found imDatPrb_type=1110; wanted imChan0apGain"),
        ({"snsSaveChanSubset": "0:3"}, "channels that differ; found 4 channels of 9, and nSavedChans=5"),
        ({"snsSaveChanSubset": "0:3,9"}, "channels that differ"),
        ({"snsSaveChanSubset": "first"}, "bad value; found snsSaveChanSubset=first"),
    ],
)
def test_without_gains_numbers_are_read_and_volts_are_not(
    tmp_path: Path, more: dict[str, str], message: str
) -> None:
    data = record(tmp_path / "a.bin", IMEC, **more)
    check_windows(tmp_path / "a.bin", data)
    with pytest.raises(DataError, match=f"a.meta: {message}"):
        windows_of(tmp_path / "a.bin", {"x": {"array": "microvolts"}})


def test_a_bin_alone_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(20))
    with pytest.raises(NoDataError, match=r"a.meta: no .meta; wanted the file that SpikeGLX writes"):
        windows_of(tmp_path / "a.bin")


def test_which_arrays_there_are(tmp_path: Path) -> None:
    record(tmp_path / "a.bin", IMEC)
    with pytest.raises(NoDataError, match="no such array; found 'ap'; wanted one of 'raw', 'microvolts'"):
        windows_of(tmp_path / "a.bin", {"x": {"array": "ap"}})
