"""Recordings: windows by several readers, and how much of loading hides behind training."""
