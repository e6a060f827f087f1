"""Rows by number: gathering, sorting, a keyed random order, decompressing LZF, neighbours in a graph."""
