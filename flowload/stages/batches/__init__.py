"""`batch`: references or records become the named arrays of a batch, in one leased buffer.

`rebatch` cuts the stream by reference, `arrays` writes the samples, `bundle` lets small batches travel
together, `refill` keeps batches full where samples turn out bad.
"""
