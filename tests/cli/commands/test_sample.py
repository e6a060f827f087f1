from __future__ import annotations

from pathlib import Path

import pytest

from flowload.cli import main
from flowload.sample import sample_names, sample_path

Capture = pytest.CaptureFixture[str]

CHESS = Path(__file__).parents[3] / "pipelines/chess.py"


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("name", sample_names())
def test_every_sample_is_written_as_it_is(name: str, tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "new" / "data"
    assert main(["sample", name, str(folder)]) == 0
    told = capsys.readouterr()
    assert told.out.startswith(f"{name}: {len(content(folder))} file")
    assert told.out.endswith(f"in {folder}; try: flowload run {name} --data {folder}\n")
    assert told.err == ""
    assert content(folder) == content(sample_path(name))
    assert names(tmp_path / "new") == ["data"]


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    assert main(["sample", "chess", str(tmp_path)]) == 0
    assert content(tmp_path) == content(sample_path("chess"))


@pytest.mark.slow
def test_what_is_written_can_be_run(tmp_path: Path, capsys: Capture) -> None:
    folder = str(tmp_path / "data")
    assert main(["sample", "chess", folder]) == 0
    assert main(["run", str(CHESS), "--data", folder, "--batches", "1"]) == 0
    assert "1 batch" in capsys.readouterr().out


def test_without_a_name_all_are_listed(capsys: Capture) -> None:
    assert main(["sample"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == sample_names()
    assert lines[0].startswith("chess: 2 files, ")
    assert main(["sample", "--help"]) == 0
    assert ", ".join(sample_names()) in capsys.readouterr().out


@pytest.mark.parametrize("there", ["file", "folder", "link"])
def test_nothing_is_overwritten(there: str, tmp_path: Path, capsys: Capture) -> None:
    target = tmp_path / "data"
    if there == "file":
        target.write_text("mine")
    elif there == "link":
        target.symlink_to(tmp_path / "elsewhere")
    else:
        target.mkdir()
        (target / "mine").touch()
    before = content(tmp_path)
    assert main(["sample", "chess", str(target)]) == 2
    assert f"{target} is there already; name a folder that is new or empty" in capsys.readouterr().err
    assert content(tmp_path) == before
    assert names(tmp_path) == ["data"]


def test_a_copy_that_fails_leaves_nothing(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: str, target: str) -> None:
        Path(target).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    assert main(["sample", "chess", str(tmp_path / "data")]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert names(tmp_path) == []


def test_the_disk_has_it_before_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there: list[bool] = []
    monkeypatch.setattr("os.fsync", lambda fd: there.append((tmp_path / "data").exists()))
    assert main(["sample", "chess", str(tmp_path / "data")]) == 0
    assert there == [False] * 3 + [True]  # two files, their folder; and the one above, when it has the name


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["checkers", "data"], "there is no sample 'checkers'; there are 'chess'"),
        (["chess"], "where to? flowload sample chess DIR"),
        (["chess", "/dev/null/data"], "/dev/null/data: File exists"),
    ],
)
def test_mistakes_are_status_2(words: list[str], message: str, capsys: Capture) -> None:
    assert main(["sample", *words]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert message in told.err


def test_the_folder_where_one_is(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["sample", "chess", "."]) == 2
    assert "cannot be replaced while you are in it" in capsys.readouterr().err
    assert main(["sample", "chess", "data"]) == 0
    assert names(tmp_path) == ["data"]
