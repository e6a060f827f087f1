"""How a graph runs: begin with `run.py`, whose first lines say what a run promises.

`compile` turns a plan into segments and channels, `tasks/` runs them, `threads/` is where blocking work goes,
`memory/` leases the buffers, `faces/` is what a reader holds, `observe/` what it can ask, `profile` looks at
one closely. `state/`, `world/` and `growing/` are what a state says, `lanes/` the shares of a stream,
`child/` a run in a process of its own, `capsules/` what calls failed at. The adapters call `engine`; stages
and formats are strangers here: both sides know `flowload.abc`. Internal: nothing here is promised to users.
"""
