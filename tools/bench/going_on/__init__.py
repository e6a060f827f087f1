"""What loaders do when a run stops and goes on: one file a loader, a child that reads, and who compares.

`python tools/bench resume --rivals` calls `measure`; nobody else needs what is here.
"""
