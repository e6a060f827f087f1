from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.cli import main
from flowload.errors import DataError, OptionError
from flowload.sample import sample_path
from tests.formats.molecules import packs as naive

ROOT = Path(__file__).parents[2]
FILE = ROOT / "pipelines/molecules.py"


def energies(**options: Any) -> list[float]:
    with fl.load(FILE, device="cpu", **options).iterate(seed=1) as batches:
        return [energy for batch in batches for energy in batch["E"].tolist()]


@pytest.mark.slow
def test_it_runs_without_arguments() -> None:
    with fl.load(FILE).iterate() as batches:
        batch = next(iter(batches))
    assert list(batch) == ["Z", "R", "F", "E", "N", "Qtot", "dst_idx", "src_idx", "batch_segments"]
    molecules, slots = batch["Z"].shape
    assert molecules == 128
    assert batch["dst_idx"].shape == (slots * (slots - 1),)
    assert str(batch["R"].dtype) == "torch.float32"


@pytest.mark.slow
def test_the_layouts(tmp_path: Path) -> None:
    with fl.load(FILE, layout="masked", num_atoms=30).iterate() as batches:
        batch = next(iter(batches))
    assert list(batch) == ["Z", "R", "F", "E", "Qtot", "mask"]
    assert batch["mask"].shape == (128, 30)


@pytest.mark.slow
def test_order_and_buckets() -> None:
    kept = energies(shuffle=False)
    assert len(kept) == 385
    for options in ({}, {"bucket_size": 64}, {"num_atoms": 26, "pairs": "real", "cutoff": 5.0}):
        assert sorted(energies(**options)) == sorted(kept)
    assert energies() != kept
    assert set(energies(num_atoms=10, too_large="drop")) < set(kept)


@pytest.mark.parametrize("split_by", ["molecule", "row"])
def test_parts_are_the_whole(split_by: str) -> None:
    parts = [energies(split=part, split_by=split_by) for part in ("train", "valid", "test")]
    assert all(parts)
    assert len(parts[0]) > len(parts[1]) + len(parts[2])
    assert sorted(parts[0] + parts[1] + parts[2]) == sorted(energies())


@pytest.mark.parametrize("split", ["all", "train"])
def test_ranks_share_the_whole(monkeypatch: pytest.MonkeyPatch, split: str) -> None:
    every = sorted(energies(split=split))
    monkeypatch.setenv("WORLD_SIZE", "3")
    shares = []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        shares.append(energies(split=split))
    assert len({len(share) for share in shares}) == 1
    together = [energy for share in shares for energy in share]
    assert len(together) == len(every) // 3 * 3
    assert set(together) <= set(every)
    assert len(set(together)) == len(together)


def test_bad_molecules_are_skipped_where_that_is_asked_for(tmp_path: Path) -> None:
    arrays = naive.content([2, 3, 4])
    arrays["R_pack.f32"][3] = np.nan
    path = naive.write(tmp_path, arrays)
    with pytest.raises(DataError, match=r"R_pack.f32, molecule 1, atom 1"):
        energies(data=path)
    assert sorted(energies(data=path, on_error="skip")) == sorted(arrays["E.f64"][[0, 2]].tolist())


def test_options_are_checked() -> None:
    with pytest.raises(OptionError, match="pairs is 'all'"):
        fl.load(FILE, pairs="all")


@pytest.mark.slow
def test_by_command(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ("--bucket-size", "64", "--num-atoms", "26")
    assert main(["run", str(FILE), "--plain", "--split", "valid", *sizes]) == 0
    assert "every sample is accounted for" in capsys.readouterr().out


@pytest.mark.slow
def test_few_shapes() -> None:
    options: dict[str, Any] = {"num_atoms": (12, 18, 26), "batch_atoms": 216, "drop_last": True}
    with fl.load(FILE, device="cpu", **options).iterate() as batches:
        assert {tuple(batch["Z"].shape) for batch in batches} == {(18, 12), (12, 18), (8, 26)}
    options = {"num_atoms": 26, "pairs": "real", "cutoff": 3.0, "edges": 600, "batch_edges": 600}
    with fl.load(FILE, device="cpu", **options).iterate() as batches:
        assert {len(batch["edge_mask"]) for batch in batches} == {600}
    options = {"num_atoms": (12, 26), "bucket_size": 128, "shuffle_batches": True, "batch_size": 8}
    assert sorted(energies(**options)) == sorted(energies())


def test_several_folders() -> None:
    folder = str(sample_path("molecules"))
    assert len(energies(data=[folder, folder])) == 770
    found = energies(data=[folder, folder], weights=(3, 1), split="train", split_by="formula")
    assert 0 < len(found) < 770


def test_ranks_of_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    counts = []
    for rank in "01":
        monkeypatch.setenv("RANK", rank)
        graph = fl.load(FILE, device="cpu", num_atoms=(12, 26), batch_atoms=104, bucket_size=64)
        with graph.iterate() as batches:
            counts.append(sum(1 for _ in batches))
    assert counts[0] == counts[1] > 20


def test_half_of_the_pairs_and_what_is_selected() -> None:
    def first(**options: Any) -> dict[str, Any]:
        options |= {"pairs": "real", "cutoff": 3.0, "shuffle": False, "num_atoms": 26}
        with fl.load(FILE, device="cpu", **options).iterate() as batches:
            return dict(next(batches))

    full, half = first(), first(half=True, select=("E",))
    assert 2 * len(half["dst_idx"]) == len(full["dst_idx"])
    assert bool((half["dst_idx"] < half["src_idx"]).all())
    assert sorted(half) == ["E", "N", "R", "Z", "batch_segments", "dst_idx", "src_idx"]


@pytest.mark.slow
def test_crystals_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    atoms = "Properties=species:S:1:pos:R:3:forces:R:3 energy=-1\nCu 0 0 0 0 0 0\n"
    (tmp_path / "copper.xyz").write_text(3 * f'1\nLattice="0 1.8 1.8 1.8 0 1.8 1.8 1.8 0" {atoms}')
    units = ["--energy", "eV", "--length", "angstrom", "--force", "eV/angstrom"]
    out = str(tmp_path / "copper")
    assert main(["pack", "molecules", str(tmp_path / "copper.xyz"), out, *units]) == 0
    assert "no pbc, periodic along all axes: 3" in capsys.readouterr().out
    options = ["--data", out, "--device", "cpu", "--plain"]
    assert main(["run", str(FILE), *options, "--pairs", "real", "--cutoff", "3"]) == 0
    assert main(["run", str(FILE), *options]) == 1
    assert "periodic molecules" in capsys.readouterr().err
    with fl.load(FILE, data=out, device="cpu", pairs="real", cutoff=3.0).iterate() as batches:
        assert next(batches)["shifts"].shape == (3 * 12, 3)
