"""Pipeline files: a function that draws, its parameters as options, and the files that ship with flowload.

Called by `fl.load`, `fl.pipeline` and the command line.
"""
