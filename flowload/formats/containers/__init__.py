"""Files around files: gzip, tar, and reading them in small steps. Serves the other formats."""
