"""What `split` is asked by mistake: options of other libraries, which would become outputs; odd shares."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType

from flowload.errors import GraphError

__all__ = ["refuse_option", "tell_shares"]

log = logging.getLogger("flowload")

SALT = "a split is by hash, and the same in every run: salt= makes another one"
BY = 'what stays together is said by by=, such as by="game"'
SHARES = "name the outputs and their shares: split(train=0.9, valid=0.1)"
RANKS = "for the ranks of a training there is fl.shard()"
NONE = "split has no such option"
ORDER = "for a random order there is fl.shuffle(), behind the split"

#: Names that no output can be meant by, and what is meant.
OPTIONS: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("seed", "random_seed", "random_state", "rng", "generator"), SALT)
    | dict.fromkeys(("group", "groups", "group_by", "groupby", "stratify"), BY)
    | dict.fromkeys(("ratio", "ratios", "fraction", "fractions", "frac", "lengths", "sizes"), SHARES)
    | dict.fromkeys(("weights", "shares", "test_size", "train_size", "valid_size", "val_size"), SHARES)
    | dict.fromkeys(("rank", "world", "world_size", "num_replicas"), RANKS)
    | dict.fromkeys(("shuffle", "shuffled", "replacement"), ORDER)
    | dict.fromkeys(("workers", "on_error", "max_errors", "batch_size", "drop_last"), NONE)
)
OWN = "by", "salt"


def refuse_option(name: str, value: object) -> None:
    """Raise GraphError for a parameter that looks like an option rather than an output and its share."""
    word = name.lower().strip("_")
    hint = OPTIONS.get(word)
    if hint is None and (close := get_close_matches(word, OWN, n=1, cutoff=0.85)):
        hint = f"is {close[0]}= meant?"
    if hint is not None:
        raise GraphError(f"split: {name}={value!r} would be an output of the name {name!r}; {hint}")


def tell_shares(weights: Sequence[tuple[str, float]]) -> None:
    """Say so where shares do not add up to 1, and what they are then."""
    total = math.fsum(weight for _, weight in weights)
    if not math.isclose(total, 1, rel_tol=1e-6):
        shares = ", ".join(f"{name}={weight / total:.4g}" for name, weight in weights)
        log.warning("split: the shares add up to %.6g, not to 1; they are taken as %s", total, shares)
