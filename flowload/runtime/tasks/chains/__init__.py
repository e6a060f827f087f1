"""Stages that share a call: maps behind one another, and the maps behind a fold.

Called by the tasks that run them, and by `choose`, which decides who shares.
"""
