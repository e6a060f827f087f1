"""Chunks of a zarr array, read by ourselves: where they lie, how they are coded, which rows they hold."""
