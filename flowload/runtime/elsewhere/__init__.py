"""Lanes of a stream that other processes make, perhaps on other machines, for the one that takes them.

`worker` is what each of them runs: the graph up to where its lanes come together. `crew` starts all workers,
as many as there is `room` for, each in a `seat`, and `heard` asks them how it goes; `lanes` asks them for
what they have made, within a bound of bytes, and replaces those that die. `lane` and `lane_task` are what
stands in the taking run for a lane; `standing` is its state, put together of all workers', and `statistics`
what all of them did, as one run. How a worker is reached is no matter of this room: see `workers.Worker`.
Who may call it: the run's own rooms, and adapters that start workers.
"""
