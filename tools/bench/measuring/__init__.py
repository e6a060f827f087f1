"""How anything is measured here: settings, turns, windows, processes of their own, CPU time, memory, tables.

Used by every bench; knows none of them.
"""
