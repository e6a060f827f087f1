"""Paths in a cache that say whose version they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowload.blocks import SourceFile
from flowload.errors import DataError
from flowload.files.objects.place import Place, Version, digest_of, is_place

VERSION = Version("0123456789abcdef", 12)
PARTS = st.lists(st.text(st.characters(blacklist_characters="/\0", codec="utf-8"), max_size=6), max_size=4)


@given(PARTS, st.text(st.characters(blacklist_characters="/\0", codec="utf-8"), min_size=1))
def test_a_path_says_all_of_an_object(folders: list[str], name: str) -> None:
    place = Place("/cache", "/".join(["s3://bucket", *folders, name]), VERSION)
    if name in (".", ".."):
        with pytest.raises(DataError, match="bad name"):
            assert place.path
        return
    assert is_place(place.path)
    assert Place.of(place.path) == place
    assert ".." not in Path(place.path).parts
    assert Path(place.path).name == name
    assert SourceFile(place.path).key == SourceFile(f"/elsewhere/{name}").key


def test_another_version_and_another_object_lie_elsewhere() -> None:
    def path(url: str, digest: str, size: int) -> str:
        return Place("/cache", url, Version(digest, size)).path

    paths = {
        path("s3://b/x", "a", 1),
        path("s3://b/x", "b", 1),
        path("s3://b/x", "a", 2),
        path("gs://b/x", "a", 1),
    }
    assert len(paths) == 4
    assert not is_place("/data/x.tar")


def test_quotes_around_an_etag_say_nothing() -> None:
    assert digest_of('"abc"') == digest_of("abc") == digest_of('W/"abc"') != digest_of("abd")


def test_a_cache_may_lie_below_a_folder_of_another_ones_name() -> None:
    place = Place("/data/objects=1/mine", "s3://bucket/a/x.tar", VERSION)
    assert Place.of(place.path) == place
