"""What a run tells of itself: counters, the ledger, snapshots."""
