"""Positions of board games: flowload beside bare threads and other loaders; and replaying moves."""
