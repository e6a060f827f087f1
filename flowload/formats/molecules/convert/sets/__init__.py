"""Sets that people know by name: what they call things, and readers of those with files of their own.

Called by `pack` alone; begin with `kinds`.
"""
