"""What a state knows of its world: stages and their versions, user code, data, ranks, epochs.

`document` writes it, `compare` says what differs, by name. In another world a state would go on with another
stream: so it is refused, or accepted by who knows better. Called by `checkpoint`, `order` and `capsules`.
"""
