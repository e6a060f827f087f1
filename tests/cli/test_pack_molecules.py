from __future__ import annotations

from pathlib import Path

import pytest

from flowload.cli import main
from flowload.formats.molecules_files import open_pack

XYZ = """2
Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.0
O 0 0 0 1 0 0
H 0 0 1 -1 0 nan
1
Properties=species:S:1:pos:R:3:forces:R:3 energy=-2.0
H 0 0 1 0 0 1
"""
UNITS = ["--energy", "eV", "--length", "angstrom", "--force", "eV/angstrom"]


def test_a_file_becomes_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "set.xyz", tmp_path / "out"
    source.write_text(XYZ.replace("nan", "0"))
    assert main(["pack", "molecules", str(source), str(out), *UNITS]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{out}: 2 molecules",
        "  energy: energy (2)",
        "  forces: forces (2)",
        "  no charge, 0 taken: 2",
        "  ignored: nothing",
    ]
    assert open_pack(out).energies[1] == pytest.approx(-2 * 23.060547830619)
    assert main(["pack", "molecules", str(source), str(out), *UNITS]) == 1
    assert "out: already there" in capsys.readouterr().err


def test_bad_molecules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "set.xyz", tmp_path / "out"
    source.write_text(XYZ)
    assert main(["pack", "molecules", str(source), str(out), *UNITS]) == 1
    assert "molecule 0, atom 1: bad molecule; found F = " in capsys.readouterr().err
    assert not out.exists()
    assert main(["pack", "molecules", str(source), str(out), *UNITS, "--skip-bad"]) == 0
    assert capsys.readouterr().out.startswith(f"{out}: 1 molecule, 1 bad ones left out\n")


@pytest.mark.parametrize("missing", ["--energy", "--length", "--force"])
def test_units_are_asked_for(tmp_path: Path, missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    place = UNITS.index(missing)
    units = UNITS[:place] + UNITS[place + 2 :]
    assert main(["pack", "molecules", str(tmp_path / "set.xyz"), str(tmp_path / "out"), *units]) == 2
    assert missing in capsys.readouterr().err


def test_an_unknown_unit_is_a_mistake_in_what_was_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    units = ["--energy", "eV", "--length", "angstrom", "--force", "eV"]
    assert main(["pack", "molecules", str(tmp_path / "set.xyz"), str(tmp_path / "out"), *units]) == 2
    assert "unit of force is 'eV'" in capsys.readouterr().err
