"""What a reader holds: batches for synchronous and for asynchronous code, and the way between threads.

`reading` and `async_reading` are loops over batches, wherever the run is. `blocking` is the asynchronous face
in a thread of its own with `handoff` between; `wakeup` is the only way from threads into the event loop.
Called by `runtime.engine`.
"""
