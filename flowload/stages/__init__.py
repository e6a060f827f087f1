"""What a node does: one file per stage, its declaration beside its operators and its word."""
