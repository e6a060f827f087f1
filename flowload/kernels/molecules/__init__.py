"""Molecules: padding, pairs, cells, turns, and reading their text files."""
