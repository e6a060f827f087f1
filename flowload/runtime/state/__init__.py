"""The state of a run: parts that tasks save when a cut passes, and going on from them. Called by the runtime.

A cut is a word in the streams (`message.Cut`): sources send one now and then, and whoever it passes saves its
part. `snapshots` keeps the parts and finds those that belong together, `tail` knows what the stages behind
them gave to each output, `standing` puts parts back, and `refill` reads again what was named by reference.
`columns` and `file` write them down.
"""
