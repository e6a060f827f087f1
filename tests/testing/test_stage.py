from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from flowload.blocks import Batch, Files
from flowload.graph import place
from flowload.testing import check_stage
from tests.stages.toy import toy_frames
from tests.testing import wrong
from tests.testing.wrong import Adds, Counts, Pairs, Whatever, WhateverSource, batches


def stage(*operators: Any, kind: type = object) -> Whatever:
    return Whatever(make=lambda: [operator() for operator in operators], kind=kind)


@pytest.mark.parametrize("operators", [[Adds], [Pairs], [Pairs, Adds], [Adds, Pairs, Adds, Pairs]])
def test_a_right_stage_passes(operators: list[type]) -> None:
    made = check_stage(stage(*operators, kind=Batch), batches(3, 1, 4, 5))
    assert sum(map(len, made)) == (13 if operators == [Adds] else 12)


def test_a_right_source_passes() -> None:
    made = check_stage(WhateverSource(make=lambda: [Counts(), Adds()]), epochs=3)
    assert [len(block) for block in made] == [1, 2, 3, 4, 5] * 3


def test_a_drawing_passes_as_its_stages_do() -> None:
    graph = place(WhateverSource(make=lambda: [Counts()])) >> place(stage(Pairs)) >> place(stage(Adds))
    assert sum(map(len, check_stage(graph))) == 30


def test_outputs_are_those_of_the_first_seed() -> None:
    one, two = (check_stage(stage(Adds), batches(3), seeds=seeds)[0] for seeds in ((7, 8), (8, 7)))
    assert isinstance(one, Batch)
    assert isinstance(two, Batch)
    assert not np.array_equal(one.arrays["x"], two.arrays["x"])


def test_the_material_is_not_touched() -> None:
    blocks = batches(3, 4)
    check_stage(stage(Adds), blocks)
    assert blocks[0].arrays["x"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("operators", "words"),
    [
        ([wrong.Remembers], "whatever: block 3 became something else with the last block first: it['out']"),
        ([wrong.Overwrites], "whatever: changed its input, block 0: Batch.arrays['x'][0]: 0 is not -1"),
        ([Adds, wrong.Overwrites], "whatever.1: changed its input, block 0"),
        (
            [wrong.LeavesHoles],
            "a second run with seed 0 gave something else: block 0['out'].arrays['x'][0]: 0 is not -1",
        ),
        ([wrong.UsesTheClock], "a second run with seed 0 gave something else"),
        ([wrong.LosesOne], "whatever: +1 samples missing after block 0: in 3, out 2, dropped 0, held 0"),
        ([wrong.GivesNothing], "output 'out' gave an empty Batch; wanted nothing at all instead"),
        ([wrong.GivesAnother], "output 'out' gave a Item, and gives() says Batch"),
        ([wrong.GivesAList], "output 'out' gave a list; wanted a block: something with a length and nbytes"),
        ([wrong.ChangesLater], "block 0 of output 'out' was changed after it was given"),
        ([wrong.KeepsAtTheEnd], "whatever: holds 1 samples after the flush"),
        ([wrong.HidesHeld], "whatever: +1 samples missing after block 0: in 3, out 2, dropped 0, held 0"),
        ([wrong.OddState], "whatever: state() is not JSON and arrays of numbers: Object of type set is not"),
        ([wrong.StateWithEffect], "asking for state() changed the output: block 1"),
        ([wrong.TwoShapes], "whatever: TwoShapes is Map and Fold; wanted one"),
        ([wrong.NoShape], "whatever: NoShape is none of the shapes; wanted one"),
        ([Adds, Counts], "whatever.1: a source stands behind another operator"),
    ],
    ids=lambda value: "-".join(kind.__name__ for kind in value) if isinstance(value, list) else "",
)
def test_a_mistake_is_found(operators: list[type], words: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check_stage(stage(*operators, kind=Batch), batches(3, 1, 4, 5))
    assert words in str(caught.value)


def test_calls_that_share_an_array_are_found() -> None:
    with pytest.raises(AssertionError, match=r"block \d became something else with several threads"):
        check_stage(stage(wrong.SharesScratch), batches(3, 1, 4, 5))


def test_a_source_takes_no_blocks() -> None:
    with pytest.raises(AssertionError, match="whatever: a source takes no blocks"):
        check_stage(WhateverSource(make=lambda: [Counts()]), [Files(("a",))])


def test_read_only_frames_must_do() -> None:
    with pytest.raises(ValueError, match="read-only"):
        check_stage(stage(wrong.NeedsItsOwn), [toy_frames(5)])
