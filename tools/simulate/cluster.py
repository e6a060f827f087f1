"""Machines: trainers, data nodes between them and a store, and what connects them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Cluster"]


@dataclass(frozen=True)
class Cluster:
    """What there is. Bytes and bytes a second, not bits."""

    trainers: int
    cpus: float = 16.0  #: of a trainer, for its data
    nic: float = 25e9 / 8  #: of a trainer
    demand: float | None = None  #: samples a second that a trainer's device takes; None: whatever comes
    data_nodes: int = 0  #: that run the graph up to a cut; 0: trainers run all of it
    data_cpus: float = 64.0  #: of each
    data_nic: float = 100e9 / 8  #: of each
    store: float = 100e9 / 8  #: of the whole store
    data: float = 100e12  #: bytes of a pass
    cache: float = 0.0  #: bytes of local disk for objects, on each node that reads
    amplification: float = 1.0  #: bytes that are brought for each byte that is used: whole objects for a part
    ahead: int = 4  #: batches that may be made before they are taken
    jitter: float = 0.2  #: of the time of one batch: standard deviation over mean
    transport: float = 3e-10  #: seconds of CPU for a byte that is sent or received

    @property
    def readers(self) -> int:
        """Nodes that read the store."""
        return self.data_nodes or self.trainers

    @property
    def missed(self) -> float:
        """Bytes from the store for each that is used, in a pass behind the first: what no cache holds.

        Each pass deals the data anew, so a node's cache has of its part what it has of the whole.
        """
        return self.amplification * (1 - min(1.0, self.cache / self.data))
