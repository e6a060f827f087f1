"""Kinds of sets by name: what each calls energies, forces and charges, and its columns beside them.

Sources: SPICE (Eastman et al., openmm/spice-dataset), ANI-1x (Smith et al., aiqm/ANI1x_datasets), ANI-2x
(Devereux et al.), QM9 (Ramakrishnan et al., 2014), MACE (ACEsuite/mace), OpenQDC (valence-labs/openQDC).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from flowload.errors import GraphError
from flowload.formats.molecules.convert.asked import SourceColumn
from flowload.formats.molecules.convert.keys import NONE, SMILES

__all__ = ["KINDS", "Kind", "kind_of"]


class Kind(NamedTuple):
    """What is known of a kind of set."""

    energy: str | None = None
    forces: str | None = None
    gradient: str | None = None
    charge: str | None = None
    columns: Mapping[str, SourceColumn] = MappingProxyType({})
    left_out: tuple[str, str] | None = None  #: frames of XYZ of which this key has this value


def scalars(
    names: Mapping[str, str], per: Literal["molecule", "atom"] = "molecule"
) -> dict[str, SourceColumn]:
    """Columns of one number each, under their own names, by unit."""
    return {name: SourceColumn(name, per, (), unit, "scalar", "float64") for name, unit in names.items()}


SPICE = {
    "dipole": SourceColumn("scf_dipole", "molecule", (3,), "e*bohr", "vector"),
    "quadrupole": SourceColumn("scf_quadrupole", "molecule", (3, 3), "e*bohr^2", "tensor"),
    "formation_energy": SourceColumn("formation_energy", "molecule", (), "hartree", "scalar", "float64"),
    "mbis_charges": SourceColumn("mbis_charges", "atom", (), "e", "scalar"),
    "mbis_dipoles": SourceColumn("mbis_dipoles", "atom", (3,), "e*bohr", "vector"),
    "mbis_quadrupoles": SourceColumn("mbis_quadrupoles", "atom", (3, 3), "e*bohr^2", "tensor"),
    "mbis_octupoles": SourceColumn("mbis_octupoles", "atom", (3, 3, 3), "e*bohr^3", "tensor3"),
}
ANI1X = {
    "dipole": SourceColumn("wb97x_dz.dipole", "molecule", (3,), "e*angstrom", "vector"),
    "cm5_charges": SourceColumn("wb97x_dz.cm5_charges", "atom", (), "e", "scalar"),
    "hirshfeld_charges": SourceColumn("wb97x_dz.hirshfeld_charges", "atom", (), "e", "scalar"),
    "mbis_charges": SourceColumn("wb97x_tz.mbis_charges", "atom", (), "e", "scalar"),
}
#: In the order of a QM9 file's second line, behind the word "gdb" and the molecule's number.
QM9 = scalars(
    {
        "A": "GHz",
        "B": "GHz",
        "C": "GHz",
        "mu": "debye",
        "alpha": "bohr^3",
        "homo": "hartree",
        "lumo": "hartree",
        "gap": "hartree",
        "r2": "bohr^2",
        "zpve": "hartree",
        "U0": "hartree",
        "U": "hartree",
        "H": "hartree",
        "G": "hartree",
        "Cv": "cal/mol/K",
    }
) | {"mulliken_charges": SourceColumn("mulliken_charges", "atom", (), "e", "scalar")}
MACE = {
    "stress": SourceColumn("REF_stress", "molecule", (3, 3), "eV/angstrom^3", "tensor"),
    "virials": SourceColumn("REF_virials", "molecule", (3, 3), "eV", "tensor"),
    "dipole": SourceColumn("REF_dipole", "molecule", (3,), None, "vector"),
    "charges": SourceColumn("REF_charges", "atom", (), "e", "scalar"),
    "total_spin": SourceColumn("total_spin", "molecule", (), None, "scalar"),
    "config_weight": SourceColumn("config_weight", "molecule", (), None, "scalar"),
    "config_type": SourceColumn("config_type", "molecule", (), None, "label", "int32"),
}
OPENQDC = {"formal_charges": SourceColumn("atomic_inputs", "atom", (), "e", "scalar")}

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "ani1x": Kind(energy="wb97x_dz.energy", forces="wb97x_dz.forces", columns=ANI1X),
        "ani2x": Kind(energy="energies", forces="forces"),
        "mace": Kind(
            energy="REF_energy",
            forces="REF_forces",
            columns=MACE,
            left_out=("config_type", "IsolatedAtom"),
        ),
        "openqdc": Kind(columns=OPENQDC),
        "qm9": Kind(energy="U0", forces=NONE, charge=NONE, columns=QM9),
        "spice": Kind(energy="dft_total_energy", gradient="dft_total_gradient", charge=SMILES, columns=SPICE),
    }
)


def kind_of(name: str | None) -> Kind:
    """What is known of a kind; nothing where none is named. Raises GraphError for one that nobody knows."""
    if name is None:
        return Kind()
    if name not in KINDS:
        raise GraphError(f"pack molecules: kind is {name!r}; wanted one of {', '.join(KINDS)}")
    return KINDS[name]
