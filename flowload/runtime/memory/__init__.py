"""Leased buffers: memory that comes back when its last view is gone, and the mappings that they lie in.

Called by `runtime` alone; stages lease through `Call.lease`.
"""
