"""Games of lc0: the graph beside bare threads and other loaders, the first batch, memory."""
