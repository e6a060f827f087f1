"""Numbers, symbols and claims in XYZ that are none: named, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flowload.errors import DataError
from flowload.formats.molecules.convert.pack import pack_molecules
from tests.formats.molecules.convert.sources import KEYS, OURS, converted, frame, refusal

# --- numbers and words in XYZ -------------------------------------------------------------------------

NO_NUMBERS = (
    "1_0",
    "-1_5",
    "0x1p-1",
    "0x10",
    "7.4D-01",
    "1d5",
    "0,74",
    "1e",
    ".",
    "+",
    "1.2.3",
    "--1",
    "\u0661",
    "1\u0662",
    "\uff17",
    "1e5.0",
    "\u0131nf",
    "1e+",
    "e5",
    "None",
    "1j",
    "nano",
    "infinit",
    "9" * 5000,
    "0." + "0" * 2000 + "1",
)


@pytest.mark.parametrize("word", NO_NUMBERS)
def test_what_is_no_number_is_refused(tmp_path: Path, word: str) -> None:
    assert refusal(tmp_path, frame(z=word)).reason == "no number"
    assert refusal(tmp_path, frame(e=word)).reason == "no number"
    assert refusal(tmp_path, frame(keys=f"charge={word} " + KEYS)).reason == "no number"


@pytest.mark.parametrize("word", ["nan", "NaN", "inf", "-Infinity", "1e400", "-inf"])
def test_what_is_not_finite_is_a_bad_molecule(tmp_path: Path, word: str) -> None:
    assert refusal(tmp_path, frame(z=word)).found.startswith("R = ")
    assert refusal(tmp_path, frame(e=word)).found.startswith("E = ")


@pytest.mark.parametrize(
    "word", ["0.000" + "1" * 500, "1" * 300 + "e-299", "-.5E-0001", "+1.e+2", "0" * 900 + "1"]
)
def test_long_numbers_are_read_to_their_end(tmp_path: Path, word: str) -> None:
    (tmp_path / "a.xyz").write_text(frame(z=word))
    assert converted(tmp_path / "a.xyz").pack.places[5] == np.float32(float(word))


@pytest.mark.parametrize(
    ("symbol", "reason"),
    [
        ("D", "isotope"),
        ("T", "isotope"),
        ("13C", "isotope"),
        ("H-2", "isotope"),
        ("2H", "isotope"),
        ("C-14", "isotope"),
        ("H1", "no element"),
        ("X", "no element"),
        ("cl", "no element"),
        ("CL", "no element"),
        ("C_ar", "no element"),
        ("Cl-", "no element"),
        ("1", "no element"),
        ("\u041d", "no element"),
    ],
)
def test_only_symbols_of_elements_are_taken(tmp_path: Path, symbol: str, reason: str) -> None:
    error = refusal(tmp_path, frame(s=symbol))
    assert error.reason == reason
    assert symbol in error.found
    assert "line 4" in error.where


@pytest.mark.parametrize("number", ["7.9", "0", "-1", "119", "4294967302", "nan", "1e300"])
def test_atomic_numbers_are_whole(tmp_path: Path, number: str) -> None:
    text = frame(s=number, keys=KEYS.replace("species:S", "Z:R")).replace("H 0", "1 0", 1)
    error = refusal(tmp_path, text)
    assert (error.reason, error.wanted) == ("bad molecule", "an atomic number from 1 to 118")
    (tmp_path / "b.xyz").write_text(text + frame())
    with pytest.raises(DataError):
        converted(tmp_path / "b.xyz")
    (tmp_path / "b.xyz").write_text(text + text.replace(f"\n{number} ", "\n6 "))
    done = pack_molecules(tmp_path / "b.xyz", tmp_path / "out", OURS, skip_bad=True)
    assert (done.molecules, done.skipped) == (1, 1)


def test_symbols_and_numbers_must_agree(tmp_path: Path) -> None:
    text = "2\nProperties=species:S:1:pos:R:3:forces:R:3:Z:I:1 energy=1\nO 0 0 0 0 0 0 8\nH 0 0 1 0 0 0 {}\n"
    (tmp_path / "a.xyz").write_text(text.format(1))
    assert converted(tmp_path / "a.xyz").pack.numbers.tolist() == [8, 1]
    error = refusal(tmp_path, text.format(2))
    assert (error.reason, error.found) == ("species and Z differ", "1 and 2")
    assert error.where.endswith("frame 0, line 4")


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ("species:S:1:pos:R:99999999999", "bad Properties"),
        ("species:S:1:pos:R:999999:forces:R:3", "bad Properties"),
        ("species:S:1:pos:R:3:forces:R:3:x:R:90000", "too few columns"),
        ("species:S:1:pos:R:3:forces:R:3:" + "x:R:1:" * 200_000 + "y:R:1", "bad Properties"),
        ("species:S:1:pos:R:-3:forces:R:3", "bad Properties"),
        ("species:S:1:pos:R:\u0663:forces:R:3", "bad Properties"),
        ("species:S:1:pos:Q:3:forces:R:3", "bad Properties"),
        ("species:S:1:pos:R:3:forces:R", "bad Properties"),
        ("species:S:1:pos:R:3:forces:R:3:pos:R:3", "a column comes twice"),
        ("species:S:2:pos:R:3:forces:R:3", "columns are missing"),
        ("species:S:1:pos:R:3:forces:R:0", "columns are missing"),
        ("species:S:1:pos:R:3:grad:R:3", "columns are missing"),
        ("", "bad Properties"),
    ],
)
def test_widths_that_cannot_be(tmp_path: Path, properties: str, reason: str) -> None:
    error = refusal(tmp_path, frame(keys=f'Properties="{properties}" energy='))
    assert error.reason == reason
    assert ("--gradient-key grad" in error.wanted) == ("grad" in properties)


@pytest.mark.parametrize("key", ["energy", "charge", "Properties", "pbc"])
def test_a_key_that_matters_comes_once(tmp_path: Path, key: str) -> None:
    text = frame(keys=f'charge=0 pbc="F F F" x=1 x=2 {KEYS}')
    assert refusal(tmp_path, text.replace("energy=", f'{key}="3" energy=')).reason == "a key comes twice"
    (tmp_path / "a.xyz").write_text(text)  # of the others nobody knows
    assert converted(tmp_path / "a.xyz").done.molecules == 1


@pytest.mark.parametrize(
    "count", ["9" * 5000, "9" * 18, "1_0", "\u0662", "-2", "+2", "2.0", "0", "2\0", "1e1", "0x2"]
)
def test_counts_that_cannot_be(tmp_path: Path, count: str) -> None:
    assert refusal(tmp_path, frame(n=count)).reason in ("no count of atoms", "file ends early")


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe2\0\n\0",
        frame().encode("utf-16"),
        b"\0" * 100,
        b"2\n\0\0\0\n" + b"\0" * 99,
        b"\xef\xbb\xbf" + frame().encode(),
        b"2",
    ],
)
def test_what_is_no_text_in_ascii(tmp_path: Path, text: bytes) -> None:
    assert refusal(tmp_path, text).reason in (
        "no count of atoms",
        "no energy",
        "file ends early",
    )


def test_other_encodings_do_no_harm_where_nobody_looks(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_bytes(b"name=\xfcber\0x ".join([b"2\n", frame().split("\n", 1)[1].encode()]))
    assert converted(tmp_path / "a.xyz").done.told.ignored == {"name": 1}
