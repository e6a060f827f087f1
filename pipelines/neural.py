"""Recordings of neurons, from zarr to windows and index batches on the device; each rank takes its share.

flowload run pipelines/neural.py --data /data/fly.zarr --size 16384 --batch-size 128 --steps 64
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import flowload as fl
from flowload.sample import sample_path

SAMPLE = sample_path("neural")


@fl.pipeline
def neural(
    *,
    data: str | Path | list[str | Path] = SAMPLE,
    batch_size: int = 64,
    device: str = "auto",
    shuffle: bool = True,
    size: int = 512,
    count: int | None = None,
    order: Literal["random", "sequential"] = "random",
    steps: int = 8,
    columns: int | None = None,
    column: int | None = None,
    stimulus_column: int | None = None,
    stimuli: int | None = None,
    begin: int = 0,
    end: int | None = None,
    prefetch: int = 2,
    dtype: Literal["stored", "float16", "bfloat16"] = "stored",
    choose: int | None = None,
    graph: str | Path | None = None,
    on_error: Literal["raise", "skip"] = "raise",
) -> fl.Graph:
    """Draw the pipeline.

    Args:
        data: Folders, zips or URLs with timeseries.zarr, or of one array; with commas between, several.
        batch_size: Samples of a batch; 0: whole windows, and no batches of indices.
        device: Where windows and batches go: auto, cpu, cuda, cuda:1.
        shuffle: Off: windows come in the data's own order, as with --order sequential.
        size: Rows of a window.
        count: Windows of an epoch; none: as many as fit into the data side by side.
        order: Where windows begin: random, anywhere; sequential, all rows once.
        steps: Rows behind its own that a sample looks at.
        columns: Read only so many of the last axis; none: all.
        column: Read this one of the last axis, as "data"; none: the whole array, as it is called.
        stimulus_column: And this one as "stimulus".
        stimuli: Neurons that have a stimulus, the first ones; none: all.
        begin: First row that is used.
        end: Row behind the last that is used; none: to the end.
        prefetch: Windows that are read ahead; these and the one in use are in memory.
        dtype: Of the windows: float16 and bfloat16 take half the memory of float32.
        choose: Neurons that are chosen for each batch, with their neighbours; none: a batch is of all.
        graph: Folder of the neighbours, indptr.npy and indices.npy; none: that of the data.
        on_error: What a corrupt chunk does: end the run, or cost its window, which is counted.
    """
    picks = {
        "data": None if column is None else {"columns": column},
        "stimulus": None
        if stimulus_column is None
        else {"columns": stimulus_column, "neurons": slice(stimuli)},
    }
    starts = fl.window_starts(
        data,
        size,
        count=count,
        order=order if shuffle else "sequential",
        columns=columns,
        rows=(begin, end) if begin or end is not None else None,
        select={key: own for key, own in picks.items() if own} or None,
        dtype=None if dtype == "stored" else dtype,
    )
    drawing = starts >> fl.shard() >> fl.read_windows(prefetch=prefetch, on_error=on_error)
    if batch_size:
        neighbours = (graph or (data[0] if isinstance(data, list) else data)) if choose else None
        drawing = drawing >> fl.sample_within(batch_size, steps, neurons=choose, graph=neighbours)
    return drawing >> fl.to_device(device, workers=1)
