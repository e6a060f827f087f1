"""Other frameworks, the only importers of them: what users of torch, JAX, Hugging Face and Prometheus call.

`engine` puts into runs what only torch knows: ranks that agree (`agreeing`), and the current card.
"""
