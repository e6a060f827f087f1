"""From ANI's HDF5, extended XYZ and npz to packed molecules, and what was made of their names and units.

Called by `flowload pack molecules`; begin with `pack`.
"""
