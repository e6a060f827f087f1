"""The benchmark of molecules works, and its contenders do the same work. Nothing here is about time."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from tools.bench import figures
from tools.bench.measuring.settings import ROOT
from tools.bench.molecules import neighbours
from tools.bench.molecules.corpus import Corpus, write_molecules
from tools.bench.molecules.loaders import BareMolecules
from tools.bench.molecules.plain import Molecules, constant
from tools.bench.molecules.rivals import RIVALS
from tools.bench.molecules.settings import Settings
from tools.bench.molecules.vectors import Padder

LIBRARIES = {"matscipy": "matscipy", "ASE": "ase"}
QUICK = Settings(rows=0, many=0, seconds=0, warm=0, rounds=1, cpus=2, batch=64).quick()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return write_molecules(tmp_path_factory.mktemp("molecules") / "set", 300, 60)


def check(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert found.keys() == wanted.keys()
    for key, array in wanted.items():
        np.testing.assert_array_equal(np.asarray(found[key]), np.asarray(array), err_msg=key)


@pytest.mark.slow
def test_the_loop_and_the_bare_thread_give_what_flowload_gives(corpus: Corpus) -> None:
    rows = corpus.order[:64]
    graph = fl.rows(corpus.records) >> fl.split(some=np.sort(rows)) >> fl.batch(64)
    with graph.iterate() as batches:
        (batch,) = batches
    loop = {**Molecules(corpus).pad(np.sort(rows)), **constant(64, 60)}
    check({key: batch[key] for key in loop}, loop)
    for bundles in (False, True):
        bare = BareMolecules(corpus, QUICK.batch, (0, QUICK.cpus), bundles=bundles)
        made, padded = bare.make(0), Molecules(corpus).pad(bare.order.array()[: bare.size])
        assert bare.size == (len(corpus.order) // 64 if bundles else 1) * 64
        check({key: made[key] for key in loop}, {**padded, **constant(64, 60)})


def test_the_data_loader_gives_the_same(corpus: Corpus) -> None:
    from tools.bench.molecules.rival_torch import PadCollate, Samples  # noqa: PLC0415 - imports torch

    samples = Samples(corpus)
    rows = corpus.order[:9]
    assert len(samples) == 300
    check(PadCollate(60)([samples[int(row)] for row in rows]), Molecules(corpus).pad(rows))


def test_padding_by_whole_batches_gives_the_same(corpus: Corpus) -> None:
    check(Padder(corpus)(corpus.order[:40]), Molecules(corpus).pad(corpus.order[:40]))


@pytest.mark.hammer
@pytest.mark.parametrize("rival", RIVALS, ids=lambda rival: rival.name)
def test_a_rival_gives_molecules_of_the_set(rival: Any, corpus: Corpus) -> None:
    pytest.importorskip(rival.needs)
    module = importlib.import_module(f"tools.bench.molecules.{rival.module}")
    plain = Molecules(corpus)
    rows = {energy: row for row, energy in enumerate(plain.opened()["E"].tolist())}
    with getattr(module, rival.function)(corpus, QUICK) as batches:
        for _ in range(4):  # memory that is used again holds nothing of the batch before
            batch = {key: np.asarray(array).copy() for key, array in next(batches).items()}
            which = np.array([rows[energy] for energy in batch["E"].tolist()])
            check(batch, {**plain.pad(which), **constant(64, 60)})


@pytest.mark.hammer
def test_everything_is_measured_and_told(tmp_path: Path) -> None:
    sheet = tmp_path / "molecules.json"
    rivals = ["--only", "flowload", "--only", "bare", "--only", "loop", "--only", "one thread"]
    command = [sys.executable, "tools/bench", "molecules", "--quick", *rivals, "--json", str(sheet)]
    told = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    result = json.loads(sheet.read_text())
    names = {
        "flowload",
        "flowload, to_device('cpu')",
        "flowload, bucket(4096)",
        "bare kernel",
        "bare kernel, many batches a call",
        "Python loop",
        "numpy a batch, one thread, ring",
    }
    assert {name for name in result["rows"] if "slots" not in name and "cutoff" not in name} == names
    assert all(f"| {name} " in told for name in result["rows"])
    assert "The best of the others is " in told
    (shown,) = figures.molecules(result)
    assert shown[-1] in ("Python loop", "numpy a batch, one thread, ring")
    assert result["memory"]["molecules"] == 5000
    assert 0 < result["memory"]["before"] <= result["memory"]["peak"]


def test_neighbour_lists_are_measured_beside_those_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "CRYSTALS", {"2 x 4 atoms": (2, 1)})
    found = neighbours.measure_neighbours(QUICK)
    names = ["flowload", *(name for name, module in LIBRARIES.items() if importlib.util.find_spec(module))]
    assert {crystals: list(rates) for crystals, rates in found.items()} == {"2 x 4 atoms": names}
    told = neighbours.neighbours_in_words(found)
    assert all(f"| {name}, 2 x 4 atoms " in told for name in names)
    monkeypatch.setitem(neighbours.CONTENDERS, "one less", lambda crystals: lambda: 1)
    with pytest.raises(ValueError, match=r"pairs differ: .*'one less': 1"):
        neighbours.measure_neighbours(QUICK)
