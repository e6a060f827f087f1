"""Batches as JAX arrays. JAX starts threads that a fork does not survive, so it runs in a child process."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowload.adapters.jax import as_jax
from flowload.errors import MissingExtra

ROOT = Path(__file__).parents[2]

HEAD = """
import gc, warnings
import numpy as np
warnings.simplefilter("error")
import jax
import flowload as fl
from flowload.adapters.jax import as_jax
X = np.random.default_rng(0).standard_normal((1000, 16)).astype(np.float32)
KINDS = {"x": X, "u": np.arange(1000, dtype=np.uint8), "m": X > 0, "h": X.astype(np.float16)}
KINDS["y"] = np.arange(1000)
COPIED = {"y"}  # int64, which is int32 to JAX
graph = fl.rows(KINDS) >> fl.shuffle() >> fl.batch(64)
def settle():
    gc.collect()
    jax.device_put(np.zeros(1))  # JAX lets go of what it was given at its next call
"""

BODIES = {
    "nothing is copied": """
with graph.iterate(seed=1) as run:
    for batch in run:
        made = as_jax(batch)
        assert list(made) == list(batch)
        for key, array in made.items():
            assert isinstance(array, jax.Array)
            np.testing.assert_array_equal(array, batch[key])
            assert (array.unsafe_buffer_pointer() == batch[key].ctypes.data) is (key not in COPIED), key
""",
    "memory is kept while an array lives": """
held, copies = [], []
with graph.iterate(seed=1, epochs=20) as run:
    for number, batch in enumerate(run):
        made = as_jax(batch)
        if number % 10 == 0:
            held.append(made["x"])
            copies.append(np.array(batch["x"]))
        del batch, made
for array, copy in zip(held, copies, strict=True):
    np.testing.assert_array_equal(array, copy)
settle()
assert len(held) == 32
assert 1 <= run.stats().buffers_leased <= 32  # small batches are made together
del held, array
settle()
assert run.stats().buffers_leased == 0
""",
    "tensors too": """
with (graph >> fl.to_device("cpu")).iterate() as run:
    for batch in run:
        made = as_jax(batch)
        assert made["x"].unsafe_buffer_pointer() == batch["x"].data_ptr()
        np.testing.assert_array_equal(made["y"], batch["y"].numpy())
""",
    "a training step": """
import jax.numpy as jnp
@jax.jit
def step(w, x, y):
    loss, gradient = jax.value_and_grad(lambda w: jnp.mean((x @ w - y) ** 2))(w)
    return loss, w - 0.1 * gradient
w = jnp.zeros(16)
losses = []
with (fl.rows({"x": X, "y": X.sum(1)}) >> fl.shuffle() >> fl.batch(100)).iterate(epochs=10) as run:
    for batch in run:
        loss, w = step(w, **as_jax(batch))
        losses.append(float(loss))
assert losses[-1] < 1e-3 < losses[0]
""",
    "a read-only array": """
array = np.arange(100.0, dtype=np.float32)
array.flags.writeable = False
np.testing.assert_array_equal(as_jax({"x": array}, jax.devices()[0])["x"], array)
""",
    "a checkpoint": """
import tempfile
from pathlib import Path
import jax.numpy as jnp
from flowload.adapters.jax import load_checkpoint, save_checkpoint
from flowload.errors import DataError
path = Path(tempfile.mkdtemp(dir=FOLDER)) / "a.npz"
weights = [jnp.arange(6.0).reshape(2, 3), jnp.ones(3, jnp.bfloat16)]
tree = {"weights": weights, "step": 3, "plain": np.arange(2)}
assert load_checkpoint(path, tree) is None
with graph.iterate(seed=1) as run:
    next(run)
    save_checkpoint(path, tree, run)
    rest = [batch["y"].tolist() for batch in run]
zeros = jax.tree.map(lambda leaf: leaf * 0, tree)
found, stream = load_checkpoint(path, zeros)
assert jax.tree.structure(found) == jax.tree.structure(tree)
for own, wanted in zip(jax.tree.leaves(found), jax.tree.leaves(tree), strict=True):
    assert type(own) is type(wanted) and np.asarray(own).dtype == np.asarray(wanted).dtype
    np.testing.assert_array_equal(own, wanted)
with graph.iterate(seed=1, state=stream) as run:
    assert [batch["y"].tolist() for batch in run] == rest
save_checkpoint(path, tree)
assert load_checkpoint(path, zeros)[1] is None
assert [entry.name for entry in path.parent.iterdir()] == ["a.npz"]
for like, told in [
    ({**zeros, "step": 1.5}, "tree['step']: another leaf; found int64 []; wanted float64 []"),
    ({**zeros, "plain": np.arange(3)}, "tree['plain']: another leaf; found int64 [2]; wanted int64 [3]"),
    ({**zeros, "more": 1}, "another tree; found tree['more'] is not in the checkpoint"),
    ({"step": 1, "weights": zeros["weights"]}, "another tree; found tree['plain'] is only in the checkpoint"),
]:
    try:
        load_checkpoint(path, like)
    except DataError as error:
        assert told in str(error) and "a.npz" in str(error), error
    else:
        raise AssertionError(told)
path.write_bytes(path.read_bytes()[:500])
try:
    load_checkpoint(path, zeros)
except DataError as error:
    assert "a.npz: no checkpoint" in str(error)
else:
    raise AssertionError("a file that was cut")
""",
}


#: Runs one body after the other, each in names of its own; says which have passed.
TAIL = """
import sys
for what, body in BODIES.items():
    exec(compile(body, what, "exec"), dict(vars(sys.modules["__main__"])))
    print(what, flush=True)
"""


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], str]:
    """The bodies that ran to their end in a child, and what it wrote of one that did not."""
    folder = str(tmp_path_factory.mktemp("jax"))
    command = [sys.executable, "-c", f"FOLDER = {folder!r}\n{HEAD}\nBODIES = {BODIES!r}\n{TAIL}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)
    return done.stdout.splitlines(), done.stderr


@pytest.mark.slow
@pytest.mark.skipif(find_spec("jax") is None, reason="no jax")
@pytest.mark.parametrize("what", BODIES)
def test_in_a_child(what: str, passed: tuple[list[str], str]) -> None:
    told, error = passed
    assert what in told, error


def test_without_jax(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("flowload.adapters.jax_library.import_module", absent)
    with pytest.raises(
        MissingExtra, match=re.escape("jax is not installed; try: pip install 'flowload[jax]'")
    ):
        as_jax({"x": np.zeros(3)})
