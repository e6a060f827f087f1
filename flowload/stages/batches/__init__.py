"""`batch`: references or records become the named arrays of a batch, in one leased buffer.

`rebatch` cuts the stream by reference, `collate` (records) and `gather` (rows) write the arrays, `bundle`
lets small batches travel together, `written` and `refill` keep batches full where samples turn out bad.
"""
