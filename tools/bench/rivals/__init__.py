"""Other loaders on lc0's games, one file a loader; each is imported only where its package is installed."""
