"""`flowload index`: what is in the tars of a store, written beside them for runs that begin without them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import click

from flowload.abc.chunk_formats import ChunkFormat
from flowload.cli.terminable import terminable
from flowload.cli.view.lines import say
from flowload.errors import DataError, GraphError
from flowload.files.objects.request import Ask, Store
from flowload.files.objects.store import is_url, store_of
from flowload.files.objects.trouble import Budget, again
from flowload.observe.figures import counted
from flowload.stages.files.objects.index import ObjectIndex, index_key, make_index
from flowload.stages.files.objects.search import Listed, find_objects
from flowload.stages.registry import find_format

__all__ = ["index"]

AT_ONCE = 8  #: objects


class Done(NamedTuple):
    """What became of one object."""

    chunks: int
    kept: bool  #: its index was there, and is right


@click.command()
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@click.option("--format", "name", default="lc0", help="What the objects are. [lc0]")
@click.option("--again", "anew", is_flag=True, help="Also where there is an index that is right.")
def index(urls: tuple[str, ...], name: str, anew: bool) -> int:
    """Write what is in each object of URL (s3://bucket/run1/*.tar, ...) to a small object beside it.

    Headers are read, and no more than lies between near ones. `discover` finds what was written (.NAME.index
    beside NAME), and runs shuffle before the objects are here. An index of another version is made anew.
    """
    if odd := [url for url in urls if not is_url(url)]:
        raise click.UsageError(f"{odd[0]}: no URL of a store, such as s3://bucket/run1/*.tar")
    try:
        form = find_format(name)
    except GraphError as error:
        raise click.UsageError(str(error)) from error
    failed = 0
    done: list[Done] = []
    with terminable(), ThreadPoolExecutor(AT_ONCE) as threads:
        objects = find_objects(urls, tuple(form.suffixes), time.sleep)
        coming = [threads.submit(indexed, one, form, anew=anew) for one in objects]
        for one in coming:
            try:
                done.append(one.result())
            except DataError as error:
                failed += 1
                say(str(error), err=True)
            except BaseException:
                threads.shutdown(cancel_futures=True)
                raise
    say(told(done))
    if failed:
        say(f"{counted(failed, 'object has', 'objects have')} no index", err=True)
    return 1 if failed else 0


def indexed(one: Listed, form: ChunkFormat, *, anew: bool) -> Done:
    """Write the index of an object, unless it is there. Raises DataError."""
    base, _, key = one.url.rpartition("/")
    store, where = store_of(base), index_key(one.url)
    if one.index is not None and not anew:
        try:
            known = read_index(store, index_key(key), where).check(form.name, one.found.version, where)
            return Done(len(known.listed.table), kept=True)
        except DataError as error:
            say(f"{error}; made anew", err=True)
    made = make_index(store, key, one.found.version, form, time.sleep, one.url)
    again(partial(store.put, index_key(key), made.pack(), time.sleep), where, time.sleep, Budget())
    return Done(len(made.listed.table), kept=False)


def read_index(store: Store, key: str, where: str) -> ObjectIndex:
    """An index that is there. Raises DataError."""

    def read() -> bytes:
        ask = Ask(key)
        store.get(key, 0, None, ask, time.sleep)
        return ask.data

    return ObjectIndex.unpack(again(read, where, time.sleep, Budget()), where)


def told(done: list[Done]) -> str:
    """What was done, in one line."""
    kept = sum(one.kept for one in done)
    chunks = counted(sum(one.chunks for one in done), "chunk", "chunks")
    before = f"; {kept} were indexed already" if kept else ""
    return f"{counted(len(done) - kept, 'object', 'objects')} indexed{before}: {chunks} in all"
