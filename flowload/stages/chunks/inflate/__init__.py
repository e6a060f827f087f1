"""How `unpack` inflates: chunks cut into calls of like work, files kept open, records sampled into leases.

Called by `unpack` alone.
"""
