"""Chunks and reservoirs: which records a use takes, exchanging rows, dealing to ranks."""
