"""Other frameworks: one file each, the only importers of them."""
