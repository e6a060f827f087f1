"""Packed molecules: for scripts that have `PackedMemmapLoader`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.stage import whole
from flowload.formats.molecules import PackedMolecules
from flowload.graph import Graph
from flowload.stages.batches.batch import batch
from flowload.stages.rows.bucket import bucket
from flowload.stages.rows.rows import rows
from flowload.stages.rows.shuffle import shuffle

__all__ = ["PackedMemmapLoader", "split_loader"]

SEEDS = 1 << 63  #: seeds of loaders that come from a split


class PackedMemmapLoader:
    """Epochs of padded batches of a folder of packed molecules, as numpy arrays (JAX takes them as they are).

    Each call of `batches` is the next pass of the seed. `indices` are the molecules that this loader gives,
    readable and settable. Buckets that are no multiple of the batch are cut across: only the last batch of an
    epoch may be smaller. An epoch stands for

    ```python
    fl.rows(PackedMolecules(path, num_atoms), indices=indices) >> fl.shuffle() >> fl.bucket(bucket_size)
        >> fl.batch(batch_size, layout="physnet")
    ```

    Args:
        path: the folder: `offsets.npy`, `n_atoms.npy`, `Z_pack.int32`, `R_pack.f32`, `F_pack.f32`, `E.f64`,
            and perhaps `Qtot.f64`. Raises DataError, a ValueError, that names a file of the wrong size.
        batch_size: molecules of a batch.
        shuffle: False: in the order of `indices`, but sorted by size within each bucket.
        bucket_size: molecules that are sorted by size together, so that batches need less padding.
        seed: every order follows from it.

    Examples:
        >>> from flowload.sample import sample_path
        >>> loader = PackedMemmapLoader(sample_path("molecules"), batch_size=32)
        >>> shapes = [batch["R"].shape for batch in loader.batches(num_atoms=26)]
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        batch_size: int,
        shuffle: bool = True,
        bucket_size: int = 8192,
        seed: int = 0,
    ) -> None:
        self.path, self.batch_size, self.shuffle = path, batch_size, shuffle
        self.bucket_size, self.seed = bucket_size, seed
        with closing(PackedMolecules(path).open()) as table:
            self.n_atoms = table.sizes(np.arange(len(table)))  #: (all molecules of the folder,) int32
        self.indices = np.arange(len(self.n_atoms))
        self.epoch = 0  #: number of the next pass
        self.graph()  # raises GraphError, a ValueError, for a batch or bucket that cannot be

    @property
    def indices(self) -> NDArray[np.int64]:
        """Numbers of the molecules that this loader gives."""
        return self._indices

    @indices.setter
    def indices(self, given: Any) -> None:
        numbers = np.asarray(given)
        known = len(self.n_atoms)
        if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
            raise ValueError(f"indices are {numbers.dtype}{list(numbers.shape)}; wanted one axis of numbers")
        if numbers.size and not (numbers.min() >= 0 and numbers.max() < known):
            raise ValueError(f"indices are {numbers.min()} to {numbers.max()}; wanted 0 to {known - 1}")
        self._indices = numbers.astype(np.int64)
        self._said: int | None = None

    @property
    def N(self) -> int:  # noqa: N802 - as scripts call it
        """Molecules that this loader gives: as many as `indices`. Scripts that set both may."""
        return len(self.indices) if self._said is None else self._said

    @N.setter
    def N(self, count: int) -> None:  # noqa: N802
        self._said = int(count)

    def __len__(self) -> int:
        return self.N

    def __repr__(self) -> str:
        named = f"path={os.fspath(self.path)!r}, N={self.N}, batch_size={self.batch_size}"
        return f"PackedMemmapLoader({named}, shuffle={self.shuffle})"

    def graph(self, num_atoms: int | Sequence[int] | None = None, physnet_format: bool = True) -> Graph:
        """What an epoch runs."""
        molecules = rows(PackedMolecules(self.path, num_atoms), indices=self.indices)
        ordered = molecules >> shuffle() if self.shuffle else molecules
        layout = "physnet" if physnet_format else "masked"
        return ordered >> bucket(self.bucket_size) >> batch(self.batch_size, layout=layout)

    def batches(
        self,
        num_atoms: int | Sequence[int] | None = None,
        physnet_format: bool = True,
    ) -> Iterator[dict[str, NDArray[Any]]]:
        """The batches of one epoch of B molecules in A slots; another order with each call.

        `Z [B, A] int32`, `R` and `F [B, A, 3] float32`, `E` and `Qtot [B] float64`; in PhysNet's format also
        `N [B] int32`, `dst_idx` and `src_idx [A (A - 1)] int32` and `batch_segments [B * A] int32`, else
        `mask [B, A] bool`.

        Args:
            num_atoms: A; several: the smallest that holds the batch; None: that of its largest molecule. A
                larger one is a DataError.
            physnet_format: which of the two.
        """
        if len(self.indices) != self.N:
            raise ValueError(f"N is {self.N:,}, and indices are {len(self.indices):,}; set them alike")
        epoch, self.epoch = self.epoch, self.epoch + 1
        return iter(()) if not self.N else self._run(self.graph(num_atoms, physnet_format), epoch)

    def _run(self, graph: Graph, epoch: int) -> Iterator[dict[str, NDArray[Any]]]:
        with graph.iterate(seed=self.seed, first_epoch=epoch) as run:
            yield from run


def split_loader(
    loader: PackedMemmapLoader, train_fraction: float = 0.9, seed: int | None = None
) -> tuple[PackedMemmapLoader, PackedMemmapLoader]:
    """Two loaders, for training and validation: no molecule in both, each of the loader's in one of them.

    The validation loader does not shuffle. Either may be empty, and then gives no batches. Stands for
    `fl.rows(..., indices=numbers[:n])` and `fl.rows(..., indices=numbers[n:])`. To keep conformations of a
    molecule together, use `fl.split(by="molecule", train=0.9, valid=0.1)` instead.

    Args:
        loader: what is split; it stays as it is.
        train_fraction: share of the molecules for training, 0 to 1; the number is rounded down.
        seed: of a random division; None: the first ones of `loader.indices` are for training.

    Examples:
        >>> from flowload.sample import sample_path
        >>> train, valid = split_loader(PackedMemmapLoader(sample_path("molecules"), 32), 0.8, seed=1)
    """
    if not 0 <= train_fraction <= 1:
        raise ValueError(f"train_fraction is {train_fraction!r}; wanted a share from 0 to 1")
    if seed is not None and not (whole(seed) and 0 <= seed < SEEDS):
        raise ValueError(f"seed is {seed!r}; wanted a whole number from 0, or None")
    numbers = loader.indices
    if seed is not None:
        numbers = np.random.Generator(np.random.Philox(seed)).permutation(numbers)
    count = int(len(numbers) * train_fraction)
    parts = []
    for own, shuffled in ((numbers[:count], loader.shuffle), (numbers[count:], False)):
        part = PackedMemmapLoader(loader.path, loader.batch_size, shuffled, loader.bucket_size, loader.seed)
        part.indices = own
        parts.append(part)
    train, valid = parts
    return train, valid
