"""Board games: replaying moves, and boards as bits or one-hot rows."""
