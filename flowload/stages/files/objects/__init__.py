"""Sources of objects in a store: listed once or again and again, brought ahead of need, with indexes.

`discover` makes the sources; `read` reads indexes, and the command `index` writes them.
"""
