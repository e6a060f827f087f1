"""What can be told of a graph that does not run: its rows in words, its length, what ranks would get of it.

Asked by `Graph`, which has a method for each, and by whoever shows graphs. Nothing here opens files but
through `Stage.amount`, and nothing changes a graph.
"""
