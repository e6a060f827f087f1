"""Pairs of atoms that batches of molecules name: which they are, their memory, and room for them.

Called by the table and by `PackedMolecules`; begin with `rule`.
"""
