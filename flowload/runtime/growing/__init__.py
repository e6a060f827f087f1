"""Runs over data that grow: what happened by the clock is noted, so that it can happen again in that order.

`idle_log` notes when folds gave blocks without input, `log` keeps it in a state with what sources told,
`gone` looks for files that are not there any more, `chunk_counts` knows the chunks of files, `arrivals`
counts those that have come since an anchor, and `growth` is what a run knows of all that.
"""
