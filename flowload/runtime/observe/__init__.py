"""What a run can be asked: statistics of a moment, who does what now, its accounts, its trace.

Reads what tasks and threads keep anyway; nothing here is on the way of a block. Called by `runtime` alone.
"""
