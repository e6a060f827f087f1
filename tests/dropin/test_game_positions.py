"""`preprocess_dataset_to_memmap` and `GameDatasetMemmap`, compared with a slow replay of the games."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, DistributedSampler, Subset

from flowload.dropin import GameDatasetMemmap, preprocess_dataset_to_memmap
from flowload.errors import DataError, NoDataError
from tests.formats.games.on_disk import Arrays, naive_arrays, write_games


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Arrays]:
    folder = tmp_path_factory.mktemp("games")
    paths = write_games(folder)
    preprocess_dataset_to_memmap(str(folder), f"{folder}/deep/dataset")
    return f"{folder}/deep/dataset", naive_arrays(paths)


def test_the_files_are_plain_numpy(packed: tuple[str, Arrays]) -> None:
    prefix, (inputs, outputs) = packed
    written = np.load(f"{prefix}_inputs.npy"), np.load(f"{prefix}_outputs.npy")
    assert [array.dtype for array in written] == [np.float32, np.int64]
    for found, wanted in zip(written, (inputs, outputs), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_called_again_it_leaves_the_files(packed: tuple[str, Arrays]) -> None:
    path = Path(f"{packed[0]}_inputs.npy")
    before = path.stat()
    preprocess_dataset_to_memmap(path.parents[1], packed[0])
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("prefix", ["dataset", "./dataset", "new/"])
def test_prefixes_as_scripts_have_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    write_games(tmp_path / "data", files=1)
    monkeypatch.chdir(tmp_path)
    preprocess_dataset_to_memmap("data", prefix)
    assert Path(f"{prefix}_inputs.npy").is_file()
    assert len(GameDatasetMemmap(prefix)) == len(np.load(f"{prefix}_outputs.npy"))


def test_samples(packed: tuple[str, Arrays]) -> None:
    prefix, (inputs, outputs) = packed
    data = GameDatasetMemmap(prefix)
    assert len(data) == len(outputs)
    for i in (0, 7, len(data) - 1, -1, -len(data), np.int64(3)):
        x, y = data[int(i)]
        assert (x.dtype, x.shape, y.dtype, y.shape) == (torch.float32, (193,), torch.int64, ())
        np.testing.assert_array_equal(x.numpy(), inputs[i])
        assert int(y) == outputs[i]
    many = data.__getitems__([5, 2, 5])
    assert [int(y) for _, y in many] == outputs[[5, 2, 5]].tolist()
    np.testing.assert_array_equal(torch.stack([x for x, _ in many]).numpy(), inputs[[5, 2, 5]])
    assert data.__getitems__([]) == []


@pytest.mark.parametrize("i", [10**6, -(10**6)])
def test_a_sample_that_is_not_there(packed: tuple[str, Arrays], i: int) -> None:
    with pytest.raises(IndexError, match="sample"):
        GameDatasetMemmap(packed[0])[i]


def test_it_is_iterable_as_a_sequence(packed: tuple[str, Arrays]) -> None:
    prefix, (_, outputs) = packed
    data = GameDatasetMemmap(prefix)
    assert [int(data[i][1]) for i in range(len(data))] == outputs.tolist()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("workers", [0, 2])
def test_under_a_loader(packed: tuple[str, Arrays], workers: int) -> None:
    prefix, (inputs, outputs) = packed
    context = "fork" if workers else None
    loader = DataLoader(
        GameDatasetMemmap(prefix), batch_size=7, num_workers=workers, multiprocessing_context=context
    )
    xs, ys = zip(*loader, strict=True)
    np.testing.assert_array_equal(torch.cat(xs).numpy(), inputs)
    assert torch.cat(ys).tolist() == outputs.tolist()


SPAWNED = """
import sys
from torch.utils.data import DataLoader
from flowload.dropin import GameDatasetMemmap
if __name__ == "__main__":
    data = GameDatasetMemmap(sys.argv[1])
    loader = DataLoader(data, batch_size=50, num_workers=1, multiprocessing_context="spawn")
    print(sum(int(y.sum()) + len(y) for _, y in loader))
"""


@pytest.mark.hammer
def test_under_a_loader_that_spawns(packed: tuple[str, Arrays], tmp_path: Path) -> None:
    prefix, (_, outputs) = packed
    script = tmp_path / "spawned.py"
    script.write_text(SPAWNED)
    command = [sys.executable, str(script), prefix]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert int(done.stdout) == outputs.sum() + len(outputs)


def test_what_is_sent_to_a_process_is_small(packed: tuple[str, Arrays]) -> None:
    data = GameDatasetMemmap(packed[0])
    sent = pickle.dumps(data)
    assert len(sent) < 1000
    assert int(pickle.loads(sent)[1][1]) == int(data[1][1])


def test_ranks_share_a_part_of_it(packed: tuple[str, Arrays]) -> None:
    prefix, (_, outputs) = packed
    data = GameDatasetMemmap(prefix)
    part = Subset(data, range(0, len(data), 2))
    seen = []
    for rank in range(2):
        sampler: DistributedSampler[object] = DistributedSampler(part, 2, rank, shuffle=False)
        seen.append([int(y) for _, ys in DataLoader(part, batch_size=3, sampler=sampler) for y in ys])
    dealt = [label for pair in zip(*seen, strict=True) for label in pair]
    assert dealt[: len(part)] == outputs[::2].tolist()


def test_headerless_bytes_are_read_too(packed: tuple[str, Arrays], tmp_path: Path) -> None:
    inputs, outputs = packed[1]
    inputs.astype(np.uint8).tofile(tmp_path / "raw_inputs.npy")
    outputs.astype(np.uint8).tofile(tmp_path / "raw_outputs.npy")
    x, y = GameDatasetMemmap(tmp_path / "raw")[3]
    np.testing.assert_array_equal(x.numpy(), inputs[3])
    assert (x.dtype, y.dtype, int(y)) == (torch.float32, torch.int64, outputs[3])


def test_files_that_are_absent_say_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"x_inputs\.npy.*preprocess_dataset_to_memmap\(games_dir"):
        GameDatasetMemmap(tmp_path / "x")


def test_files_of_unequal_length(packed: tuple[str, Arrays], tmp_path: Path) -> None:
    inputs, outputs = packed[1]
    np.save(tmp_path / "a_inputs.npy", inputs)
    np.save(tmp_path / "a_outputs.npy", outputs[:-1])
    with pytest.raises(DataError, match=r"a_outputs\.npy"):
        GameDatasetMemmap(tmp_path / "a")


def test_a_file_that_changes_is_told(packed: tuple[str, Arrays], tmp_path: Path) -> None:
    inputs, outputs = packed[1]
    np.save(tmp_path / "a_inputs.npy", inputs)
    np.save(tmp_path / "a_outputs.npy", outputs)
    data = GameDatasetMemmap(tmp_path / "a")
    np.save(tmp_path / "a_inputs.npy", inputs[: len(inputs) // 2])
    with pytest.raises(DataError, match=r"a_inputs\.npy"):
        data[len(data) - 1]


def test_no_games(tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match="no games"):
        preprocess_dataset_to_memmap(tmp_path, tmp_path / "x")
