"""What a column of packed molecules is: so many numbers for each molecule, or for each atom."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from flowload.abc.stage import whole
from flowload.errors import GraphError

__all__ = ["CELL", "PBC", "RESERVED", "Column", "Kind", "check_names"]

Kind: TypeAlias = Literal["scalar", "vector", "tensor", "tensor3", "voigt"]

#: Ends of file names by dtype.
SUFFIXES = {
    "bool": "bool",
    "float32": "f32",
    "float64": "f64",
    **{f"int{8 * size}": f"i{8 * size}" for size in (1, 2, 4, 8)},
    **{f"uint{8 * size}": f"u{8 * size}" for size in (1, 2, 4, 8)},
}

#: What the last axes of a column have to be, for each kind: those that turn with the molecule.
ENDS: dict[str, tuple[int, ...]] = {
    "scalar": (),
    "vector": (3,),
    "tensor": (3, 3),
    "tensor3": (3, 3, 3),
    "voigt": (6,),
}

MOST = 1 << 20  #: numbers of a row: a claim of more is none
AXES = 8  #: of a row, at most
COLUMNS = 200  #: of a folder, at most: what is wrong with a molecule is said in a byte
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)

#: Keys of batches, and names of files, in small letters: some systems do not tell them from capital ones.
RESERVED = frozenset(
    {"z", "r", "f", "e", "n", "qtot", "mask", "dst_idx", "src_idx", "shifts", "batch_segments", "edge_mask"}
    | {"z_pack", "r_pack", "f_pack", "n_atoms", "offsets", "groups", "meta"}
)


@dataclass(frozen=True, kw_only=True)
class Column:
    """Numbers that a folder holds for each molecule or atom, beside positions, forces, energies and charges.

    Args:
        per: "molecule" or "atom".
        shape: of the numbers of one molecule or atom; () for a single one.
        dtype: of the file and of batches: "float32", "float64", "bool", "int8" to "int64", "uint8" to
            "uint64".
        unit: such as "e*angstrom" or "kcal/mol/angstrom^3"; None: it has none, or nobody knows.
        kind: how the numbers turn with the molecule: "scalar": they do not; "vector": the last axis has x, y,
            z; "tensor": the last two have; "tensor3": the last three; "voigt": the last has xx, yy, zz, yz,
            xz, xy of a symmetric tensor. None: nobody knows, and rotations refuse it; a single number is a
            scalar.

    Raises GraphError for what cannot be.

    Examples:
        >>> from flowload.formats.molecules import Column
        >>> dipole = Column(per="molecule", shape=(3,), dtype="float32", unit="e*angstrom", kind="vector")
        >>> dipole.nbytes, Column(per="atom").kind
        (12, 'scalar')
    """

    per: Literal["molecule", "atom"]
    shape: tuple[int, ...] = ()
    dtype: str = "float32"
    unit: str | None = None
    kind: Kind | None = None

    def __post_init__(self) -> None:
        if self.per not in ("molecule", "atom"):
            raise GraphError(f"Column: per is {self.per!r}; wanted 'molecule' or 'atom'")
        object.__setattr__(self, "shape", tuple(self.shape))
        fits = len(self.shape) <= AXES and all(whole(size) and size > 0 for size in self.shape)
        if not fits or prod(self.shape) > MOST:
            found = f"{list(self.shape[: AXES + 1])}"
            raise GraphError(f"Column: shape is {found}; wanted sizes from 1, of at most {MOST:,} numbers")
        if self.dtype not in SUFFIXES:
            raise GraphError(f"Column: dtype is {self.dtype!r}; wanted one of {', '.join(SUFFIXES)}")
        if self.unit is not None and not is_word(self.unit):
            raise GraphError(f"Column: unit is {self.unit!r}; wanted one such as 'e*angstrom', or None")
        if self.kind is None and not self.shape:
            object.__setattr__(self, "kind", "scalar")
        if self.kind is not None:
            self.check_kind(self.kind)

    def check_kind(self, kind: str) -> None:
        """Raise GraphError unless the shape is one of this kind."""
        if kind not in get_args(Kind):
            raise GraphError(f"Column: kind is {kind!r}; wanted one of {', '.join(get_args(Kind))}, or None")
        ends = ENDS[kind]
        if ends and (self.shape[-len(ends) :] != ends or not self.dtype.startswith("float")):
            found = f"{self.dtype}{list(self.shape)}"
            raise GraphError(f"Column: a {kind} is {found}; wanted floats, of axes that end in {list(ends)}")

    @property
    def numbers(self) -> int:
        """Numbers of a row."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of a row."""
        return self.numbers * self.stored.itemsize

    @property
    def stored(self) -> np.dtype[Any]:
        """The dtype as it is in the file."""
        return np.dtype(self.dtype).newbyteorder("<")

    @property
    def ends(self) -> tuple[int, ...]:
        """The last axes, which turn with the molecule."""
        return ENDS[self.kind or "scalar"]

    def file(self, name: str) -> str:
        """What its file is called."""
        return f"{name}.{SUFFIXES[self.dtype]}"

    def as_json(self) -> dict[str, Any]:
        """For a manifest."""
        said = {"unit": self.unit, "kind": self.kind}
        return {"per": self.per, "shape": list(self.shape), "dtype": self.dtype, **said}


def is_word(value: object) -> bool:
    """Whether a value is text that is not empty."""
    return isinstance(value, str) and value != ""


#: A periodic molecule has both: its lattice vectors as rows, and along which of them it goes on.
CELL = Column(per="molecule", shape=(3, 3), dtype="float32", unit="angstrom", kind="vector")
PBC = Column(per="molecule", shape=(3,), dtype="bool")


def check_names(columns: dict[str, Column]) -> None:
    """Raise GraphError for names that cannot be those of columns."""
    seen: set[str] = set()
    if len(columns) > COLUMNS:
        raise GraphError(f"{len(columns):,} columns; wanted at most {COLUMNS}")
    for name, column in columns.items():
        if not is_word(name) or not NAME.fullmatch(name):
            raise GraphError(f"column {name!r}: wanted a name of letters, digits and _, with a letter first")
        if not isinstance(column, Column):
            raise GraphError(f"column {name!r} is {column!r}; wanted a Column")
        if name.lower() in RESERVED:
            raise GraphError(f"column {name!r}: something else of a batch or a folder is called so")
        if name.lower() in seen:
            raise GraphError(f"column {name!r}: another one differs in capital letters alone")
        seen.add(name.lower())
    check_periodic(columns)


def check_periodic(columns: dict[str, Column]) -> None:
    """Raise GraphError for a `cell` or a `pbc` that is another thing, or stands alone."""
    for name, wanted in (("cell", CELL), ("pbc", PBC)):
        if name not in columns:
            continue
        if "cell" not in columns or "pbc" not in columns:
            other = "pbc" if name == "cell" else "cell"
            raise GraphError(f"column {name!r} stands alone; wanted {other!r}, too")
        column = columns[name]
        dtypes = ("float32", "float64") if name == "cell" else ("bool",)
        alike = (column.per, column.shape) == (wanted.per, wanted.shape) and column.dtype in dtypes
        if not alike or (name == "cell" and column.unit != "angstrom"):
            raise GraphError(f"column {name!r} is {column.as_json()}; wanted {wanted.as_json()}")
