from __future__ import annotations

import numpy as np
import pytest

from flowload.errors import GraphError
from flowload.formats.molecules.convert.units import (
    ENERGIES,
    LENGTHS,
    Units,
    energy_factor,
    length_factor,
    same_unit,
)


def test_factors_of_the_formats_page() -> None:
    assert energy_factor("eV") == pytest.approx(23.060547830619, rel=1e-14)
    assert energy_factor("kcal/mol") == length_factor("angstrom") == 1
    assert energy_factor("kJ/mol") == pytest.approx(1 / 4.184, rel=1e-15)
    assert length_factor("nm") == pytest.approx(10, rel=1e-15)


def test_scipy_has_the_same() -> None:
    constants = pytest.importorskip("scipy.constants", exc_type=ImportError)
    kcal = 4184 / constants.N_A
    assert energy_factor("hartree") == pytest.approx(constants.value("Hartree energy") / kcal, rel=1e-11)
    assert energy_factor("rydberg") == pytest.approx(constants.value("Hartree energy") / kcal / 2, rel=1e-11)
    assert energy_factor("eV") == pytest.approx(constants.e / kcal, rel=1e-14)
    assert length_factor("bohr") == pytest.approx(constants.value("Bohr radius") * 1e10, rel=1e-9)


def test_forces_have_units_of_their_own() -> None:
    energy, length, force = Units(energy="hartree", length="bohr", force="kcal/mol/angstrom").factors()
    assert (energy, length, force) == (energy_factor("hartree"), length_factor("bohr"), 1.0)
    assert Units(energy="eV", length="nm", force="kJ/mol/nm").factors()[2] == pytest.approx(1 / 41.84)
    for unit in ENERGIES:
        for other in LENGTHS:
            factor = Units(energy=unit, length=other, force=f"{unit}/{other}").factors()[2]
            assert np.isclose(factor, energy_factor(unit) / length_factor(other), rtol=1e-15)


@pytest.mark.parametrize(
    ("units", "message"),
    [
        (("ev", "bohr", "eV/bohr"), "unit of energy is 'ev'; wanted one of kcal/mol, kJ/mol, eV"),
        (("eV", "A", "eV/bohr"), "unit of length is 'A'; wanted one of angstrom, bohr, nm, pm"),
        (("eV", "bohr", "eV"), "unit of force is 'eV'; wanted an energy"),
        (("eV", "bohr", "eV/A"), "unit of force is 'eV/A'"),
        (("eV", "bohr", "kcal/mol"), "unit of force is 'kcal/mol'"),
    ],
)
def test_unknown_units(units: tuple[str, str, str], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        Units(energy=units[0], length=units[1], force=units[2])


@pytest.mark.parametrize(
    ("said", "unit", "same"),
    [
        ("Hartree", "hartree", True),
        ("Eh", "hartree", True),
        ("kcal/mol", "kcal/mol", True),
        ("KCAL / MOL", "kcal/mol", True),
        ("kJ/mol", "kcal/mol", False),
        ("meV", "eV", False),
        ("Ang", "angstrom", True),
        ("Å", "angstrom", True),
        ("a0", "bohr", True),
        ("bohr", "angstrom", False),
        ("kcal/mol/Ang", "kcal/mol/angstrom", True),
        ("eV/A", "eV/angstrom", True),
        ("eV/A", "eV/bohr", False),
        ("hartree/bohr", "eV/bohr", False),
        ("hartree", "hartree/bohr", False),
        ("furlong", "angstrom", None),
        ("eV/furlong", "eV/angstrom", None),
        ("", "eV", None),
    ],
)
def test_units_as_files_spell_them(said: str, unit: str, same: bool | None) -> None:
    assert same_unit(said, unit) is same


def test_every_unit_is_itself() -> None:
    for unit in (*ENERGIES, *LENGTHS, *(f"{energy}/{length}" for energy in ENERGIES for length in LENGTHS)):
        assert same_unit(unit, unit) is True
