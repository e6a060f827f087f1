"""Extended XYZ: lines, the keys of a frame, the columns of its atoms.

Called by `convert.pack`, and in part by readers of files that are nearly XYZ; begin with `reader`.
"""
