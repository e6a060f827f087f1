"""What a node does: one file per word, its declaration beside its operators.

files/    discover                              batches/  batch
chunks/   read, shuffle_pool, unpack, reservoir  user/     source, map, filter, fold
rows/     rows, shuffle, bucket, best_slots      wiring/   split, tee, merge, mix, shard
windows/  windows, window_starts, read_windows,  device/   to_device
          sample_within, epoch_plan, read_range

A new stage is one file in its room and one below `tests/stages`; `flowload/__init__.py` gives it a word.
Stages know `flowload.abc`, blocks and kernels, never a run.
"""
