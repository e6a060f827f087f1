"""A store of objects by its URL, with credentials from the environment."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib import import_module

from flowload.errors import MissingExtra

from .request import Store
from .through_fsspec import Fsspec
from .through_obstore import Obstore

__all__ = ["at_once", "is_url", "store_of"]

EXTRA = 'pip install "flowload[remote]"'
#: What obstore knows; any other scheme is fsspec's.
KNOWN = frozenset({"s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss", "http", "https"})
#: Names of environment variables that the libraries look at begin with these.
ENVIRONMENT = ("AWS_", "GOOGLE_", "AZURE_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def is_url(text: str) -> bool:
    """Whether a text names a store, such as `s3://bucket/x.tar`."""
    scheme, mark, _ = text.partition("://")
    return bool(mark) and scheme.isalnum() and scheme != "file"


def at_once(url: str) -> bool:
    """Whether several objects of a store can be asked for at once: obstore can."""
    return url.partition("://")[0] in KNOWN


def store_of(url: str) -> Store:
    """The store below a URL, with credentials from the environment. Raises MissingExtra."""
    mine = tuple(sorted(item for item in os.environ.items() if item[0].upper().startswith(ENVIRONMENT)))
    return opened(url, mine)


@lru_cache(maxsize=64)
def opened(url: str, environment: tuple[tuple[str, str], ...]) -> Store:  # noqa: ARG001 - what it is opened in
    """One store is one pool of connections: opened once, while the environment stays what it is."""
    scheme = url.partition("://")[0]
    name, kind = ("obstore", Obstore) if scheme in KNOWN else ("fsspec", Fsspec)
    try:
        library = import_module(name)
        return kind(library, url)
    except ImportError as error:
        raise MissingExtra(f"{url}: cannot be read: {error}; try {EXTRA}") from error
