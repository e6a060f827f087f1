"""What is in a tar of a store is written beside it, and read instead of it, as long as it is right."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import flowload as fl
from flowload.cli.commands.index import index as command
from flowload.errors import DataError
from flowload.files.objects.place import Version, digest_of
from flowload.files.objects.store import store_of
from flowload.formats.lc0.format import FORMAT, Lc0
from flowload.sample import sample_path
from flowload.stages.files.objects.index import ObjectIndex, index_key, make_index
from tests.files.objects.server import S3, tag_of
from tests.states import through_json

FILES = sorted(sample_path("chess").glob("*.tar"))
URL = "s3://games/run/*.tar"


@pytest.fixture
def s3(s3: S3) -> S3:
    s3.buckets["games"] = {f"run/{file.name}": file.read_bytes() for file in FILES}
    return s3


def at_once(seconds: float) -> None:
    """A wait that does not."""


def version_of(data: bytes) -> Version:
    return Version(digest_of(tag_of(data)), len(data))


def made(s3: S3, key: str) -> ObjectIndex:
    s3.asked.clear()
    data = s3.buckets["games"][key]
    return make_index(store_of("s3://games"), key, version_of(data), FORMAT, at_once, f"s3://games/{key}")


def indexed(*arguments: str) -> tuple[int, str]:
    found = CliRunner().invoke(command, [URL, *arguments], standalone_mode=False, catch_exceptions=False)
    return found.return_value, found.output


def graph(cache: Path | None = None) -> fl.Graph:
    files = fl.discover(sample_path("chess")) if cache is None else fl.discover(URL, cache=cache)
    return files >> fl.read("lc0") >> fl.shuffle_pool(9) >> fl.unpack(rate=0.3) >> fl.batch(64)


def digests(drawing: fl.Graph, **options: Any) -> list[bytes]:
    with drawing.iterate(seed=3, epochs=2, **options) as batches:
        return [b"".join(np.ascontiguousarray(b[key]).tobytes() for key in sorted(b)) for b in batches]


def test_an_index_is_that_of_the_file(s3: S3) -> None:
    for file in FILES:
        found, wanted = made(s3, f"run/{file.name}"), Lc0().listed(str(file))
        assert (found.listed.table == wanted.table).all()
        assert found.listed.left_out == wanted.left_out
        again = ObjectIndex.unpack(found.pack(), "x")
        assert (again.listed.table == wanted.table).all()
        assert again.version == found.version


def test_headers_that_are_near_are_read_in_few_requests_and_far_ones_alone(s3: S3) -> None:
    def tar(size: int) -> bytes:
        memory = io.BytesIO()
        with tarfile.open(fileobj=memory, mode="w") as file:
            for number in range(6):
                info = tarfile.TarInfo(f"{number}.gz")
                info.size = size
                file.addfile(info, io.BytesIO(bytes(size - 4) + b"\0\1\0\0"))
        return memory.getvalue()

    s3.buckets["games"] = {"near.tar": tar(60_000), "far.tar": tar(3 << 20)}
    assert len(made(s3, "near.tar").listed.table) == 6
    assert len(s3.asked) == 2, "the beginning, and all the rest"
    assert len(made(s3, "far.tar").listed.table) == 6
    asked = [wanted.removeprefix("bytes=").split("-") for _, _, wanted in s3.asked]
    assert sum(int(end) - int(begin) + 1 for begin, end in asked) < 1 << 19, "of 18 MiB"


@pytest.mark.slow
def test_a_run_with_indexes_is_the_same_run(s3: S3, tmp_path: Path) -> None:
    wanted = digests(graph())
    assert indexed() == (0, "2 objects indexed: 24 chunks in all\n")
    assert indexed() == (0, "0 objects indexed; 2 were indexed already: 24 chunks in all\n")
    assert digests(graph(tmp_path / "a")) == wanted
    with graph(tmp_path / "b").iterate(seed=3, epochs=2) as batches:
        for _ in range(4):
            next(batches)
        state = through_json(batches.state_dict())
        gauges = batches.stats().stages["read"].gauges
    assert (gauges["files_indexed"], gauges["files_by_index"]) == (0, 2)
    assert digests(graph(), state=state) == wanted[4:]
    s3.buckets["games"] = {key: data for key, data in s3.buckets["games"].items() if "index" not in key}
    assert digests(graph(tmp_path / "c"), state=state) == wanted[4:]


def test_chunks_are_known_before_any_tar_is_here(s3: S3, tmp_path: Path) -> None:
    assert indexed()[0] == 0
    s3.always[".tar"] = "403"
    with (fl.discover(URL, cache=tmp_path) >> fl.read("lc0") >> fl.shuffle_pool(50)).iterate() as run:
        assert sum(map(len, run)) == 24


def test_what_is_brought_for_the_first_time_is_not_brought_again(s3: S3, tmp_path: Path) -> None:
    assert indexed()[0] == 0
    with graph(tmp_path).iterate(seed=3) as batches:
        list(batches)
        assert batches.stats().stages["unpack"].gauges.get("objects_brought_again", 0) == 0
    tars = [key for key in s3.gets() if not key.endswith(".index")]  # an index may come between two of them
    assert sorted(tars[-len(FILES) :]) == sorted(f"run/{file.name}" for file in FILES)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda index, data: index[:-1], "bad index"),
        (lambda index, data: b"", "bad index"),
        (lambda index, data: ObjectIndex.unpack(index, "")._replace(form="other").pack(), "another format"),
        (
            lambda index, data: ObjectIndex.unpack(index, "")._replace(version=version_of(data[:-1])).pack(),
            "stale index; found version",
        ),
    ],
)
def test_an_index_that_is_not_right_is_named_and_not_used_and_made_anew(
    s3: S3, tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: Any, reason: str
) -> None:
    assert indexed()[0] == 0
    key = f"run/{FILES[0].name}"
    objects = s3.buckets["games"]
    objects[index_key(key)] = spoil(objects[index_key(key)], objects[key])
    with (fl.discover(URL, cache=tmp_path) >> fl.read("lc0")).iterate() as run:
        assert sum(map(len, run)) == 24
        gauges = run.stats().stages["read"].gauges
    assert (gauges["files_indexed"], gauges["files_by_index"]) == (1, 1)
    assert f"read: s3://games/{index_key(key)}: " in caplog.text
    assert reason in caplog.text
    status, said = indexed()
    assert status == 0
    assert reason.partition(";")[0] in said
    assert "made anew" in said
    assert "1 object indexed; 1 were indexed already" in said
    assert indexed()[1].startswith("0 objects indexed")


def test_a_tar_that_changed_is_not_read_by_its_old_index(s3: S3, tmp_path: Path) -> None:
    assert indexed()[0] == 0
    s3.buckets["games"][f"run/{FILES[0].name}"] = FILES[1].read_bytes()
    with (fl.discover(URL, cache=tmp_path) >> fl.read("lc0")).iterate() as run:
        list(run)
        gauges = run.stats().stages["read"].gauges
    assert (gauges["files_indexed"], gauges["files_by_index"]) == (1, 1)


def test_troubles_are_survived_or_named(s3: S3, caplog: pytest.LogCaptureFixture) -> None:
    s3.troubles = ["503", "cut", "reset"]
    assert indexed()[0] == 0
    s3.put_troubles = ["403"]
    status, said = indexed("--again")
    assert status == 1
    assert "permission denied; found 403" in said
    assert "1 object has no index" in said
    s3.buckets["games"]["run/bad.tar"] = b"no tar"
    status, said = indexed()
    assert status == 1
    assert "s3://games/run/bad.tar, byte 0: " in said
    assert "run/.bad.tar.index" not in s3.buckets["games"]


def test_an_object_that_changes_while_it_is_indexed_is_named(s3: S3) -> None:
    key = f"run/{FILES[0].name}"
    with pytest.raises(DataError, match="object changed"):
        make_index(store_of("s3://games"), key, version_of(b"other"), FORMAT, at_once, f"s3://games/{key}")


def test_one_object_by_its_name_has_its_index_too(s3: S3, tmp_path: Path) -> None:
    assert indexed()[0] == 0
    url = f"s3://games/run/{FILES[0].name}"
    with (fl.discover(url, cache=tmp_path) >> fl.read("lc0")).iterate() as run:
        assert sum(map(len, run)) == 12
        assert run.stats().stages["read"].gauges["files_by_index"] == 1


def test_what_cannot_be_indexed_is_said(s3: S3) -> None:
    for arguments, said in ((["/data/x.tar"], "no URL"), ([URL, "--format", "nothing"], "nothing")):
        found = CliRunner().invoke(command, arguments)
        assert found.exit_code == 2
        assert said in found.output


def test_a_store_that_grows_is_read_by_its_indexes(s3: S3, tmp_path: Path) -> None:
    assert indexed()[0] in (0, None)
    files = fl.discover(URL, watch=True, cache=tmp_path / "cache")
    drawn = files >> fl.read("lc0") >> fl.shuffle_pool(9) >> fl.unpack(rate=0.3) >> fl.batch(64)
    with drawn.iterate(seed=3) as batches:
        next(batches)
        assert batches.stats().stages["read"].gauges["files_by_index"] >= 1
        assert batches.stats().stages["read"].gauges["files_indexed"] == 0
