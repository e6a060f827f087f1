"""What each key of a window has of an array: which columns and neurons, in which dtype and unit.

Called by what reads recordings; knows no files.
"""
