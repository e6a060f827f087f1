"""A whole run in a process of its own: `graph.iterate(process=True)`, `graph.stream(process=True)`.

Who may call it: the engine. Leases of such a run lie in a file that both processes map
(`flowload.runtime.memory.shared_file`); each output has a line, along which `frames` go: a batch is told by
where it lies and how it looks, and what its reader lets go of is told back, several in one message. There:
`serve` has an ordinary run, and a `sender` for each output finds where batches lie (`packing`). Here:
`connection` starts the process and listens, an `inbox` for each output shows its batches (`loans`) and has
what a last stage makes of them begun `ahead`: copies to a card, of memory that is page-locked here. `remote`
and `remote_stream` are the faces, `questions` what both ask. `wire` is how tensors and answers are pickled.
"""
