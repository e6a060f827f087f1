"""Lanes of a stream in one run: what each has for itself, what they share, and how their batches take turns.

`rounds` says whose block is next, `catching_up` what a lane makes again first, `call_limit` how many calls
lanes make together, `statistics` what they did as one graph. Called by the run's own rooms alone.
"""
