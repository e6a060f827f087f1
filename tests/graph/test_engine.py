"""Arguments that no run can take are refused with what was wanted."""

from __future__ import annotations

from typing import Any

import pytest

from flowload.errors import GraphError
from flowload.graph.engine import RunOrder


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, "1", None, True])
def test_a_seed_is_64_bits(seed: Any) -> None:
    with pytest.raises(GraphError, match=r"^seed is .*; wanted a whole number from 0 to 2\*\*64 - 1$"):
        RunOrder(seed=seed)


@pytest.mark.parametrize("epochs", [0, -1, 1.5, "all", True])
def test_epochs_are_counted_from_one(epochs: Any) -> None:
    with pytest.raises(GraphError, match=r"^epochs is .*; wanted a whole number from 1, or None"):
        RunOrder(epochs=epochs)


@pytest.mark.parametrize("cpus", [0, 0.5, "2"])
def test_cpus_are_counted_from_one(cpus: Any) -> None:
    with pytest.raises(GraphError, match=r"^cpus is"):
        RunOrder(cpus=cpus)


@pytest.mark.parametrize(("seed", "epochs", "cpus"), [(0, 1, None), (2**64 - 1, None, 1), (7, 1000, 64)])
def test_good_arguments_pass(seed: int, epochs: int | None, cpus: int | None) -> None:
    RunOrder(seed=seed, epochs=epochs, cpus=cpus)


@pytest.mark.parametrize("first", [-1, 2**31, 0.0, True, None])
def test_passes_are_counted_from_zero(first: Any) -> None:
    with pytest.raises(
        GraphError, match=r"^first_epoch is .*; wanted a whole number from 0 to 2,147,483,647$"
    ):
        RunOrder(first_epoch=first)


@pytest.mark.parametrize("align", [1, None, "yes"])
def test_align_is_yes_or_no(align: Any) -> None:
    with pytest.raises(GraphError, match=r"^align is .*; wanted True or False$"):
        RunOrder(align=align)
