from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.stages.chunks.inflate.sampling import Sampling
from tests.stages.toy import toy_chunks

rules = st.one_of(
    st.builds(Sampling, count=st.integers(1, 20)),
    st.fractions(0, 1, max_denominator=1000)
    .filter(bool)
    .map(lambda rate: Sampling(num=rate.numerator, den=rate.denominator)),
)


@given(rule=rules, records=st.integers(1, 60), use=st.integers(0, 50), cap=st.integers(-1, 70))
def test_choice_length_and_bound_agree(rule: Sampling, records: int, use: int, cap: int) -> None:
    chunks = toy_chunks(1, records=records)
    chunks.table["use"] = use
    chunks.table["cap"] = cap
    which, cut = rule.choose(records, chunks.table[0], chunks.sources[0], 7)
    count = records if which is None else len(which)
    assert count + cut == rule.lengths(chunks, 7)[0]
    assert count + cut <= rule.most(np.array([records]))[0]
    assert cut == 0 or count == cap
    if which is not None:
        assert (np.diff(which) >= 0).all()
        assert ((which >= 0) & (which < records)).all()


def test_no_choice_is_needed_where_everything_is_taken() -> None:
    chunks = toy_chunks(1)
    assert Sampling().choose(10, chunks.table[0], chunks.sources[0], 7) == (None, 0)


@pytest.mark.parametrize(
    ("rule", "everything", "share"),
    [(Sampling(), True, 1.0), (Sampling(num=3, den=100), False, 0.03), (Sampling(count=5), False, 1.0)],
)
def test_what_it_says_of_itself(rule: Sampling, everything: bool, share: float) -> None:
    assert rule.everything is everything
    assert rule.share == share
