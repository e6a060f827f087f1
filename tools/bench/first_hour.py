"""What loaders do with the mistakes of a first hour: 1,000 numbers, of which a function spoils a hundred.

    python tools/bench/first_hour.py            every loader that is installed
    python tools/bench/first_hour.py grain spdl

Each is used as its documentation shows, with its defaults. The numbers are counts, not times.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

COUNT = 1000
WORKERS = 4


def raises(number: Any) -> Any:
    """Every tenth number is an error."""
    if int(number) % 10 == 3:
        raise ValueError(f"bad number {int(number)}")
    return number


def forgets(number: Any) -> Any:
    """Of every tenth number it returns None."""
    return None if int(number) % 10 == 3 else number


def dawdles(number: Any) -> Any:
    """Takes up to a millisecond."""
    time.sleep(random.random() / 1000)
    return number


class Flowload:
    """Rows one by one through a map of four threads, and batches of 64."""

    module = "flowload"
    dropped: dict[str, int]  # of the last run, by reason

    def graph(self, function: Callable[[Any], Any]) -> Any:
        """Each block through the function, number by number."""
        import flowload as fl  # noqa: PLC0415 - what is measured

        def block(batch: dict[str, Any]) -> Any:
            made = [function(number) for number in batch["x"]]
            return None if None in made else {"x": batch["x"]}

        numbers = fl.rows({"x": list(range(COUNT))}) >> fl.batch(1)
        return numbers >> fl.map(block, workers=WORKERS) >> fl.batch(64)

    def mapped(self, function: Callable[[Any], Any]) -> list[Any]:
        """What comes out."""
        with self.graph(function).iterate() as batches:
            made = [int(number) for batch in batches for number in batch["x"]]
            self.dropped = dict(batches.stats().stages["map"].dropped)
        return made

    def length(self) -> int:
        """Batches, before any is made."""
        return len(self.graph(dawdles))

    def state(self) -> Any:
        """After one batch."""
        with self.graph(dawdles).iterate() as batches:
            next(batches)
            return batches.state_dict()


class Spdl:
    """`PipelineBuilder`, a pipe of four threads."""

    module = "spdl"

    def build(self, function: Callable[[Any], Any]) -> Any:
        """The pipeline."""
        from spdl.pipeline import PipelineBuilder  # noqa: PLC0415 - what is measured

        source = PipelineBuilder().add_source(range(COUNT))
        return source.pipe(function, concurrency=WORKERS).add_sink(3).build(num_threads=WORKERS)

    def mapped(self, function: Callable[[Any], Any]) -> list[Any]:
        """What comes out."""
        pipeline = self.build(function)
        with pipeline.auto_stop():
            return list(pipeline)

    def length(self) -> int:
        """Of the pipeline."""
        pipeline = self.build(dawdles)
        with pipeline.auto_stop():
            return len(pipeline)

    def state(self) -> Any:
        """After one."""
        pipeline = self.build(dawdles)
        with pipeline.auto_stop():
            return pipeline.state_dict()


class Grain:
    """`MapDataset`, read by four threads ahead."""

    module = "grain"

    def mapped(self, function: Callable[[Any], Any]) -> list[Any]:
        """What comes out."""
        import grain  # noqa: PLC0415 - what is measured

        return list(grain.MapDataset.source(list(range(COUNT))).map(function).to_iter_dataset())

    def length(self) -> int:
        """Batches."""
        import grain  # noqa: PLC0415 - what is measured

        return len(grain.MapDataset.source(list(range(COUNT))).map(dawdles).batch(64))

    def state(self) -> Any:
        """After one batch."""
        import grain  # noqa: PLC0415 - what is measured

        reader = iter(grain.MapDataset.source(list(range(COUNT))).batch(64).to_iter_dataset())
        next(reader)
        return reader.get_state()


class Torchdata:
    """`torchdata.nodes`, a parallel mapper of four threads."""

    module = "torchdata"

    def loader(self, function: Callable[[Any], Any]) -> Any:
        """The nodes."""
        from torchdata.nodes import IterableWrapper, Loader, ParallelMapper  # noqa: PLC0415 - what is measured

        source = IterableWrapper(range(COUNT))
        return Loader(ParallelMapper(source, function, num_workers=WORKERS, method="thread"))

    def mapped(self, function: Callable[[Any], Any]) -> list[Any]:
        """What comes out."""
        return list(self.loader(function))

    def length(self) -> int:
        """Of the loader."""
        return len(self.loader(dawdles))

    def state(self) -> Any:
        """After one."""
        loader = self.loader(dawdles)
        next(iter(loader))
        return loader.state_dict()


def number_of(index: int) -> dict[str, int]:
    """A sample of litdata."""
    return {"x": index}


class Litdata:
    """Optimised chunks, `StreamingDataLoader`."""

    module = "litdata"

    def loader(self, function: Callable[[Any], Any]) -> Any:
        """Write the chunks, and read them in this process."""
        import litdata  # noqa: PLC0415 - what is measured

        class Applied(litdata.StreamingDataset):  # type: ignore[misc,name-defined,unused-ignore]
            def __getitem__(self, index: Any) -> Any:
                return function(super().__getitem__(index)["x"])

        folder = tempfile.mkdtemp()
        litdata.optimize(
            fn=number_of, inputs=list(range(COUNT)), output_dir=folder, chunk_bytes="64KB", num_workers=1
        )
        return litdata.StreamingDataLoader(Applied(folder), batch_size=50)

    def mapped(self, function: Callable[[Any], Any]) -> list[Any]:
        """What comes out."""
        return [int(number) for batch in self.loader(function) for number in batch]

    def length(self) -> int:
        """Batches."""
        return len(self.loader(dawdles))

    def state(self) -> Any:
        """After one batch."""
        loader = self.loader(dawdles)
        next(iter(loader))
        return loader.state_dict()


class TfData:
    """`tf.data`, `py_function` with four calls at once."""

    module = "tensorflow"

    def mapped(self, function: Callable[[Any], Any]) -> list[Any]:
        """What comes out."""
        import tensorflow as tf  # noqa: PLC0415 - what is measured

        def call(number: Any) -> Any:
            return tf.py_function(function, [number], tf.int64)

        return [int(number) for number in tf.data.Dataset.range(COUNT).map(call, num_parallel_calls=WORKERS)]

    def length(self) -> int:
        """Batches."""
        import tensorflow as tf  # noqa: PLC0415 - what is measured

        return len(tf.data.Dataset.range(COUNT).batch(64))

    def state(self) -> Any:
        """After one, written to a checkpoint."""
        import tensorflow as tf  # noqa: PLC0415 - what is measured

        reader = iter(tf.data.Dataset.range(COUNT))
        next(reader)
        return tf.train.Checkpoint(reader=reader).save(f"{tempfile.mkdtemp()}/state")


LOADERS: dict[str, Any] = {
    "flowload": Flowload(),
    "spdl": Spdl(),
    "grain": Grain(),
    "torchdata": Torchdata(),
    "litdata": Litdata(),
    "tf.data": TfData(),
}


def questions(loader: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What is asked of each."""
    yield "100 of 1,000 calls raise", lambda: f"{len(loader.mapped(raises))} come out"
    yield "100 of 1,000 calls return None", lambda: f"{len(loader.mapped(forgets))} come out{told(loader)}"
    yield (
        "order behind 4 threads",
        lambda: "kept" if sorted_out(loader.mapped(dawdles)) else "another each time",
    )
    yield "length, before it runs", loader.length
    yield "state", lambda: f"{str(loader.state())[:60]} ..."


def told(loader: Any) -> str:
    """What a ledger says of those that did not."""
    dropped = getattr(loader, "dropped", None)
    return f"; its ledger: {dropped}" if dropped else ""


def sorted_out(numbers: list[Any]) -> bool:
    """Whether they came in order."""
    return numbers == sorted(numbers)


def main(names: list[str]) -> None:
    """Ask every loader that is named, or installed."""
    logging.disable()
    for name in names or LOADERS:
        if importlib.util.find_spec(LOADERS[name].module) is None:
            print(f"{name}: not installed")
            continue
        print(name)
        for question, answer in questions(LOADERS[name]):
            print(f"  {question}:", end="")
            with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
                try:
                    found = answer()
                except Exception as error:  # noqa: BLE001 - what it raises is the answer
                    found = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
            print(f" {found}")


if __name__ == "__main__":
    main(sys.argv[1:])
