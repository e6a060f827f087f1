"""The commands, one a file: run, show, profile, sample, pack."""
