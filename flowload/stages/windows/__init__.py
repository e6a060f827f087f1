"""Recordings: `windows`, `window_starts`, `read_windows`, `sample_within`; `epoch_plan`, `read_range`."""
