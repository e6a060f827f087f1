from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from flowload.cli import main
from flowload.formats.molecules.files import open_pack
from tests.suite.warm import run_warm, start_warm

XYZ = """2
Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.0
O 0 0 0 1 0 0
H 0 0 1 -1 0 nan
1
Properties=species:S:1:pos:R:3:forces:R:3 energy=-2.0
H 0 0 1 0 0 1
"""
UNITS = ["--energy", "eV", "--length", "angstrom", "--force", "eV/angstrom"]


@pytest.mark.slow
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


@pytest.mark.slow
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


def packs(source: Path, out: Path, *how: str) -> int:
    return main(["pack", "molecules", str(source), str(out), *UNITS, *how])


def test_names_can_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "set.xyz"
    text = XYZ.replace("nan", "0").replace("forces:", "grad:").replace("energy=", "dft_charge=-1 x=5 total=")
    source.write_text(text)
    assert packs(source, tmp_path / "out") == 1
    assert "no energy; found Properties, dft_charge, x, total" in capsys.readouterr().err
    assert packs(source, tmp_path / "out", "--energy-key", "total", "--forces-key", "grad") == 2
    assert "'grad' is the name of a gradient" in capsys.readouterr().err
    assert packs(source, tmp_path / "out", "--energy-key", "total", "--gradient-key", "grad") == 1
    assert (
        "what may be a charge; found dft_charge=-1; wanted --charge-key dft_charge" in capsys.readouterr().err
    )
    keys = ["--energy-key", "total", "--gradient-key", "grad", "--charge-key"]
    assert packs(source, tmp_path / "out", *keys, "dft_charge") == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "  energy: total (2)",
        "  gradient, sign turned: grad (2)",
        "  charge: dft_charge (2)",
        "  ignored: x (2)",
    ]
    pack = open_pack(tmp_path / "out")
    assert pack.charges.tolist() == [-1, -1]
    assert pack.forces[0] < 0
    assert packs(source, tmp_path / "other", *keys, "none") == 0
    assert open_pack(tmp_path / "other").charges.tolist() == [0, 0]


def child(source: Path, before: str, behind: str = "") -> str:
    """A program that packs many frames to `new/out`, and runs this around each time that some are added."""
    source.write_text(XYZ.replace("nan", "0") * 3000)
    target = source.with_name("new") / "out"
    program = source.with_name("child.py")
    program.write_text(f"""
import resource, sys, threading
from flowload.cli import main
from flowload.formats.molecules.write import PackWriter
add = PackWriter.add
def changed(self, some, where):
    {before}
    add(self, some, where)
    {behind}
PackWriter.add = changed
sys.exit(main(["pack", "molecules", {str(source)!r}, {str(target)!r}, *{UNITS!r}]))
""")
    return str(program)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_leaves_no_draft(tmp_path: Path, number: signal.Signals, status: int) -> None:
    program = child(tmp_path / "set.xyz", "", "print('here', flush=True); threading.Event().wait()")
    with start_warm(program) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        assert [path.suffix for path in (tmp_path / "new").iterdir()] == [".partial"]
        process.send_signal(number)
        assert process.wait(60) == status
    assert names(tmp_path) == ["child.py", "set.xyz"]


@pytest.mark.slow
def test_a_full_disk_is_named_and_leaves_no_draft(tmp_path: Path) -> None:
    done = run_warm(
        child(tmp_path / "set.xyz", "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))")
    )
    assert done.returncode == 1
    name = r"'.*/new/\.out\.\w+\.partial/R_pack\.f32'"
    assert re.fullmatch(rf"flowload: \[Errno \d+\] File too large: {name}\n", done.stderr)
    assert names(tmp_path) == ["child.py", "set.xyz"]


def test_a_kind_and_its_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "set.xyz"
    keys = 'REF_energy=-1 REF_dipole="1 2 3" spin=2 Properties=species:S:1:pos:R:3:REF_forces:R:3'
    source.write_text(f"1\n{keys}\nO 0 0 0 1 0 0\n")
    columns = ("--column", "dipole", "--column", "multiplicity=spin:molecule")
    assert packs(source, tmp_path / "out", "--kind", "mace", *columns) == 0
    said = capsys.readouterr().out
    assert "  column dipole: REF_dipole (1)\n" in said
    assert "  column multiplicity: spin (1)\n" in said
    assert (tmp_path / "out" / "dipole.f32").stat().st_size == 12
    assert packs(source, tmp_path / "other", "--kind", "mace", "--column", "quadrupole") == 2
    assert "no column 'quadrupole' is known of the kind 'mace'" in capsys.readouterr().err
    for text, why in (
        ("a=spin", "wanted NAME=SOURCE"),
        ("a=spin:bond", "by 'bond'"),
        ("1=s:atom", "called '1'"),
    ):
        assert packs(source, tmp_path / "other", "--column", text) == 2
        assert why in capsys.readouterr().err
    assert packs(source, tmp_path / "other", "--column", "a=spin:molecule:3x") == 2
    assert "wanted NAME=SOURCE" in capsys.readouterr().err


def test_without_forces_there_is_no_unit_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "set.xyz"
    source.write_text("1\nenergy=-1 Properties=species:S:1:pos:R:3\nO 0 0 0\n")
    how = ["pack", "molecules", str(source), str(tmp_path / "out"), *UNITS[:4], "--forces-key", "none"]
    assert main(how) == 0
    assert "  no forces: 1\n" in capsys.readouterr().out
