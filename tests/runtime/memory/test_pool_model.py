from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from flowload.abc.operators import Device
from flowload.runtime.memory.pool import BufferPool
from tests.runtime.views import VIEWS, Ledger


class Pool(RuleBasedStateMachine):
    """Against a model: every view that is held still shows what was written to it, and nothing overlaps."""

    @initialize(window=st.sampled_from([1, 3, 512]))
    def begin(self, window: int) -> None:
        self.pool = BufferPool(window=window)
        self.devices: list[Device | None] = [None, Ledger(), Ledger()]
        self.held: list[tuple[Any, bytes, int, int]] = []  # view, its bytes, the lease's start and size
        self.tag = 0
        self.over = False

    @precondition(lambda self: not self.over)
    @rule(
        nbytes=st.sampled_from([256, 4000, 4096, 4104, 16384, 17000, 70_000, 72_000]),
        device=st.integers(0, 2),
        view=st.sampled_from(sorted(VIEWS.keys() - {"in a cycle"})),
    )
    def lease(self, nbytes: int, device: int, view: str) -> None:
        nbytes = nbytes // 256 * 256
        array = self.pool.lease(nbytes, self.devices[device])
        self.tag += 1
        array[:] = np.random.default_rng(self.tag).integers(0, 256, nbytes, dtype=np.uint8)
        start = array.ctypes.data
        for _, _, other, size in self.held:
            assert start + nbytes <= other or other + size <= start
        kept = VIEWS[view](array)
        self.held.append((kept, shown(kept), start, nbytes))

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 1 << 30))
    def let_go(self, which: int) -> None:
        self.held.pop(which % len(self.held))

    @rule()
    def close(self) -> None:
        self.pool.close()
        self.over = True

    @invariant()
    def nothing_that_is_held_changed(self) -> None:
        for kept, before, _, _ in self.held:
            assert shown(kept) == before

    @invariant()
    def counts_agree(self) -> None:
        stats = self.pool.stats()
        assert stats.leased == len(self.held)
        assert stats.served == self.tag
        registered = sum(len(device.registered) for device in self.devices if isinstance(device, Ledger))
        assert registered <= stats.leased + stats.free
        if self.over:
            assert stats.free == 0


def shown(kept: Any) -> bytes:
    return bytes(kept.numpy().tobytes() if hasattr(kept, "numpy") else kept.tobytes())


TestPool = Pool.TestCase
TestPool.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
