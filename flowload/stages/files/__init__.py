"""`discover`: which files a user means, in what order, and, in a folder that grows, when each is complete."""
