"""What watching a run costs, and whether the verdict names a stage that was slowed."""
