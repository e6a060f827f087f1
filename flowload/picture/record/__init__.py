"""Looks at a run from time to time and keeps what it saw, in memory and in files: the source of every moment.

Called by pages, the terminal view and the command line (`run --record`, `watch`); draws nothing.
"""
