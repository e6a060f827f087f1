from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from flowload.abc.operators import Fold, Setting
from flowload.abc.powers import Idling, Marked
from flowload.errors import GraphError
from flowload.graph import Stage
from flowload.stages.chunks.pool import ChunkPool
from flowload.stages.chunks.repeating_pool import RepeatingPool
from flowload.stages.chunks.shuffle_pool import ShufflePoolStage, shuffle_pool

SETTING = Setting(seed=3, epochs=1, cpus=2)


@dataclass(frozen=True, kw_only=True)
class Watching(Stage):
    growing: ClassVar[bool] = True


@pytest.mark.parametrize(
    ("growing", "epochs", "kind"),
    [
        (False, 1, ChunkPool),
        (False, None, ChunkPool),
        (True, 1, ChunkPool),
        (True, None, RepeatingPool),
        (True, 3, RepeatingPool),
    ],
)
def test_which_fold_it_opens(growing: bool, epochs: int | None, kind: type) -> None:
    upstream = (Stage(), Watching() if growing else Stage())
    (fold,) = ShufflePoolStage(chunks=5).open(replace(SETTING, epochs=epochs, upstream=upstream))
    assert type(fold) is kind
    assert isinstance(fold, Fold)
    assert isinstance(fold, Marked)
    assert isinstance(fold, Idling)


def test_bad_parameters_are_named() -> None:
    for chunks in (0, -1, 2.5, True):
        with pytest.raises(GraphError, match="shuffle_pool: chunks is"):
            shuffle_pool(chunks)  # type: ignore[arg-type]


def test_the_word_makes_a_stage() -> None:
    (placed,) = shuffle_pool(50_000).nodes()
    assert placed.stage == ShufflePoolStage(chunks=50_000)
    assert placed.stage.memory(SETTING) > 50_000 * 48
