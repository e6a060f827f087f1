"""Threads and the event loop: executors for blocking work, their timing, and the monitor of a run.

`monitor` has the one lock of a run and knows when nothing can move any more: read it before anything here is
changed. Called by `runtime` alone.
"""
