"""What wiring checks before it is run."""

from __future__ import annotations

import numpy as np
import pytest

from flowload.blocks import Batch, Frames
from flowload.errors import GraphError
from flowload.stages.wiring.checks import agreed, check_weights


@pytest.mark.parametrize("weights", [[1], [0.1, 0.9], [np.float64(0.5), 3]])
def test_weights(weights: list[object]) -> None:
    check_weights("mix", weights)


@pytest.mark.parametrize(
    "weights", [[], [0], [1, -0.5], [float("nan")], [float("inf")], [True], ["1"], [None]]
)
def test_bad_weights(weights: list[object]) -> None:
    with pytest.raises(GraphError, match=r"mix: .*weight"):
        check_weights("mix", weights)


def test_inputs_agree() -> None:
    assert agreed("merge", [Frames, Frames]) is Frames
    assert agreed("merge", [object, Frames]) is object
    assert agreed("merge", [object]) is object
    assert agreed("merge", []) is object


def test_inputs_that_disagree_are_named() -> None:
    with pytest.raises(GraphError, match="merge: the inputs carry different things: Frames, Batch"):
        agreed("merge", [Frames, object, Batch, Frames])
