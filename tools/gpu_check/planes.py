"""Chess planes made on the card: the same bits as on the CPU, also under autocast and compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

import flowload as fl
from flowload.adapters.torch import expand_planes
from flowload.sample import sample_path

from .bench import Bench
from .findings import Finding

__all__ = ["planes"]

POSITIONS = 256 * 20
RULE50, FORMAT = 5, 7  #: scalars of the layout "bits"


def same(one: torch.Tensor, two: torch.Tensor) -> bool:
    """Bit for bit."""
    return torch.equal(one.cpu().view(torch.int32), two.cpu().view(torch.int32))


def planes(bench: Bench) -> Iterator[Finding]:
    """Against the layout that holds planes, and against the CPU for any bits there are."""
    frames = fl.discover(sample_path("chess")) >> fl.read("lc0") >> fl.unpack(rate=0.5)
    packed = frames >> fl.batch(256, layout="bits") >> fl.to_device(bench.device)
    plain = frames >> fl.batch(256, layout="tensors")
    with packed.iterate(seed=0) as ours, plain.iterate(seed=0) as theirs:
        pairs = zip(ours, theirs, strict=True)
        right = [same(expand_planes(one), torch.from_numpy(two["planes"])) for one, two in pairs]
    yield Finding("planes of games as the layout's", all(right) and bool(right), {"batches": len(right)})
    rng = np.random.default_rng(0)
    bits = torch.from_numpy(rng.integers(-(2**63), 2**63, (POSITIONS, 104), dtype=np.int64))
    scalars = torch.from_numpy(rng.integers(0, 256, (POSITIONS, 8), dtype=np.uint8))
    scalars[:, RULE50] = torch.arange(POSITIONS) % 256
    scalars[:, FORMAT] = torch.tensor([1, 2, 3, 4, 5, 132, 133], dtype=torch.uint8)[
        torch.arange(POSITIONS) % 7
    ]
    wanted = expand_planes(bits, scalars)
    there = bits.to(bench.card.device), scalars.to(bench.card.device)
    yield Finding("planes of any bits as the CPU's", same(expand_planes(*there), wanted))
    with torch.autocast(bench.card.device.type, dtype=torch.bfloat16):
        yield Finding("planes under autocast", same(expand_planes(*there), wanted))
    if not bench.card.real:
        yield Finding("planes in torch.compile: a card's compiler is what this asks", None)
        return
    compiled: Callable[..., torch.Tensor] = torch.compile(expand_planes)
    yield Finding("planes in torch.compile", same(compiled(*there), wanted))
