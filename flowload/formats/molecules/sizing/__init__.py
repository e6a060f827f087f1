"""Molecules of different sizes as arrays of one: padded to slots, and how many there are of each size.

Called by the tables of molecules (`table`, `set_table`) and by who writes them.
"""
