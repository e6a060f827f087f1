"""Records of any version for hypothesis, and a record of one version made from another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from flowload.abc.operators import Bytes
from flowload.formats.lc0.records import INPUT_FORMATS, RECORDS, SIZES

VERSIONS = tuple(RECORDS)
CASTLING = ("castling_us_ooo", "castling_us_oo", "castling_them_ooo", "castling_them_oo")


def record(version: int, form: int, rng: np.random.Generator, *, quiet: bool = False) -> Bytes:
    """One record: random bytes where the format allows any, so floats may be anything; `quiet`: no plies."""
    data = rng.integers(0, 256, SIZES[version], np.uint8)
    fields = data.view(RECORDS[version])[0]
    fields["version"] = version
    if version >= 5:
        fields["input_format"] = form
    if version < 6:
        fields["dep_result"] = rng.integers(-1, 2)
    if quiet:
        fields["invariance_info"] = 0
        if version >= 5:
            fields["plies_left"] = 0
    return data


def sound_record(version: int, form: int, rng: np.random.Generator, *, moves: int = 30) -> Bytes:
    """One record whose values keep every rule, with a policy of so many moves; the rest is random."""
    data = record(version, form, rng)
    fields = data.view(RECORDS[version])[0]
    own = form if version >= 5 else 1
    for name in CASTLING:
        fields[name] = rng.integers(2) << (rng.integers(8) if own > 1 else 0)
    fields["side_to_move_or_enpassant"] = rng.integers(2) << (rng.integers(8) if own > 2 else 0)
    fields["rule50_count"] = rng.integers(101)
    policy = fields["probabilities"]
    policy[:] = -1 if version >= 4 else 0
    legal = rng.permutation(len(policy))[:moves]
    policy[legal] = rng.dirichlet(np.ones(moves))
    for name in fields.dtype.names or ():
        if name[-2:] in ("_q", "_d", "_m") or name in ("plies_left", "q_st", "d_st"):
            fields[name] = rng.uniform(-1 if name[-1] == "q" else 0, 1)
    if version >= 6:
        fields["orig_q"], fields["orig_d"], fields["orig_m"] = (np.nan,) * 3
        fields["played_idx"], fields["best_idx"] = rng.choice(legal, 2)
    if version == 6:
        data[-8:] = 255  # reserved in early files: anything
    return data


@st.composite
def rows(draw: st.DrawFn, versions: Sequence[int] = VERSIONS, spare: int = 0) -> Bytes:
    """Records of mixed versions, (n, stride) uint8, with at least `spare` bytes of noise behind each."""
    kinds = draw(
        st.lists(
            st.tuples(st.sampled_from(versions), st.sampled_from(INPUT_FORMATS), st.booleans()),
            min_size=1,
            max_size=4,
        )
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    stride = max(SIZES[version] for version, _, _ in kinds) + spare
    data = rng.integers(0, 256, (len(kinds), stride), np.uint8)
    for row, (version, form, quiet) in zip(data, kinds, strict=True):
        row[: SIZES[version]] = record(version, form, rng, quiet=quiet)
    return data


def games(versions: Sequence[int] = VERSIONS, longest: int = 5) -> st.SearchStrategy[Bytes]:
    """Whole games: (n, record size) uint8 of one version."""

    def game(version: int, form: int, length: int, seed: int) -> Bytes:
        rng = np.random.default_rng(seed)
        return np.stack([record(version, form, rng) for _ in range(length)])

    return st.builds(
        game,
        st.sampled_from(versions),
        st.sampled_from(INPUT_FORMATS),
        st.integers(1, longest),
        st.integers(0, 2**32),
    )


def as_version(data: Bytes, version: int) -> Bytes:
    """Records of version 6 as records of another, keeping the fields that both have; the rest is 0.

    The result byte, which counts before version 6, is taken from result_q.
    """
    old = data.view(RECORDS[6])[:, 0]
    new = np.zeros(len(old), RECORDS[version])
    for name in new.dtype.names or ():
        if name in (old.dtype.names or ()):
            new[name] = old[name]
    new["version"] = version
    if version < 6:
        new["dep_result"] = np.sign(old["result_q"])
    return new.view(np.uint8).reshape(len(new), SIZES[version])
