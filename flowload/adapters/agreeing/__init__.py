"""What the ranks of a training agree about while they run: to end in the same step, and to leave together.

`ranks` is given to the engine, `preempt` is `fl.on_preempt`, by `wishes` ranks that leave hear of each other.
Talks over groups of torch's own, which it imports when there is one.
"""
