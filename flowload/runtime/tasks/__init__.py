"""The tasks of a run: one for each segment of the graph, by the shape of its operators.

`choose` says which, `task` has what tasks of maps and folds share, `call` is one call of an operator.
`runtime.run` starts tasks; the rooms beside this one know `Member`, `RunCall` and `Segment`, and read them.
"""
