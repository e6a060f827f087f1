"""The total charge in a SMILES."""

from __future__ import annotations

import pytest

from flowload.errors import DataError
from flowload.formats.molecules.convert.smiles import smiles_charge


@pytest.mark.parametrize(
    ("smiles", "charge"),
    [
        ("CCO", 0),
        ("[H:2][N+:1]([H:3])([H:4])[H:5]", 1),
        ("[NH4+]", 1),
        ("[O-]C(=O)C[NH3+]", 0),
        ("[Ca++].[Cl-].[Cl-]", 0),
        ("[Ca+2]", 2),
        ("[Fe+3:12]", 3),
        ("[O--:1]", -2),
        ("[P-3]", -3),
        ("[13CH3:4][C@@H:5](F)[O-:6]", -1),
        ("C1CC[C@H]1-C#N", 0),
        ("[2H]O[H]", 0),
        ("c1cc[nH]c1", 0),
        ("[se]1cccc1", 0),
        ("[*:1][CH2-]", -1),
        (r"F/C=C/[S-]", -1),
    ],
)
def test_formal_charges_are_added_up(smiles: str, charge: int) -> None:
    assert smiles_charge(smiles, "here") == charge


@pytest.mark.parametrize(
    "smiles", ["", " ", "[N", "N]", "[[N]]", "[]", "[+]", "[N+-]", "[N+x]", "[N:]", "[N+123]"]
)
def test_what_is_no_smiles(smiles: str) -> None:
    with pytest.raises(DataError, match="here: no SMILES"):
        smiles_charge(smiles, "here")
