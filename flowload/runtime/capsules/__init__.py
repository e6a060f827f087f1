"""Failure capsules: what a call failed at, in a small file, and the same call again, alone.

`write` notes bad records, failures and stalls, `block` says what a call was given, `replay` makes the call
again. Runs write them; the command line replays them.
"""
