"""Molecules of different sizes as arrays of one: padded to slots, and how many there are of each size.

Called by the table of molecules, by their records (`packed`), and by who foretells their kernels and pairs.
"""
