"""Functions of users in processes of their own, for Python that would hold the interpreter's lock.

Who may call it: stages. `child` is what such a process runs; it imports nothing of flowload, so that it is
there in a tenth of a second. `worker` is the other end: one process, and a pool of them. `pickling` takes a
function there, `failure` brings its error back.
"""
