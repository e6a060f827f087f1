"""Objects of a store (S3, GCS, Azure, HTTP, what fsspec knows): listed, and brought to a bounded local cache.

A brought object is a file like any other, whose path says what it is of; whoever opens files that a run was
told of opens them by `opening`, which brings it again where it had to make room.
"""
