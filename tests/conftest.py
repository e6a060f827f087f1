"""What every test shares."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import settings

from flowload.sample import sample_path
from tests.files.objects.server import S3, s3_server

pytest_plugins = ["tests.suite.plugin"]

# The first call of a kernel compiles it: no deadline says anything about the code under test.
# A plain run tries 40 examples of a property, others each time; with all hammers it tries hypothesis's 100.
settings.register_profile("flowload", deadline=None, max_examples=40)
settings.register_profile("hammers", deadline=None)
settings.load_profile("flowload")


@pytest.fixture(scope="session")
def shared_lc0() -> Path:
    """The folder of real lc0 data beside the project."""
    folder = Path(__file__).parents[1].parent / "shared/data/lc0"
    if not folder.is_dir():
        pytest.skip("the shared lc0 data are absent")
    return folder


@pytest.fixture(scope="session")
def shared_molecules() -> Path:
    """The folder of real molecules beside the project."""
    folder = Path(__file__).parents[1].parent / "shared/data/molecules"
    if not folder.is_dir():
        pytest.skip("the shared molecules are absent")
    return folder


@pytest.fixture(scope="session")
def shared_neural() -> Path:
    """The folder of real recordings and connectomes beside the project."""
    folder = Path(__file__).parents[1].parent / "shared/data/neural"
    if not folder.is_dir():
        pytest.skip("the shared neural data are absent")
    return folder


@pytest.fixture(scope="session")
def sample_tar() -> Path:
    """The first tar of the shipped chess sample."""
    return min(sample_path("chess").glob("*.tar"))


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """A store on loopback with an empty bucket "games", and the environment in which libraries find it."""
    pytest.importorskip("obstore")
    with s3_server({"games": {}}) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def make_tar(tmp_path: Path) -> Callable[..., Path]:
    """Writes a tar: `make_tar({"a.gz": data}, name="x.tar", kind=tarfile.GNU_FORMAT)` gives its path."""

    def make(members: Mapping[str, bytes], name: str = "data.tar", kind: int = tarfile.USTAR_FORMAT) -> Path:
        path = tmp_path / name
        with tarfile.open(path, "w", format=kind) as tar:
            for member, data in members.items():
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return path

    return make
