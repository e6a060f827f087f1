"""`source`, `map`, `filter`: the user's own code, and the one rule for what it sees and may return."""
