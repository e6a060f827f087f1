"""Molecules: flowload's padding and pairs beside bare threads and other loaders, one file a rival."""
