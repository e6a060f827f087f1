"""A graph looked at closely: its stages run alone on inputs that a run has recorded.

Called by the adapters for `Graph.profile`; a run never needs it.
"""
