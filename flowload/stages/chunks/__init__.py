"""Files of compressed chunks: `read`, `shuffle_pool`, `unpack`, `reservoir`, and what they share.

Until `unpack`, chunks flow by reference; behind it, records in leased memory.
"""
