"""How a graph runs: tasks, channels, lanes, buffers, and the two faces. Begin with run.py."""
