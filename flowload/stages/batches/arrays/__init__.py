"""How samples become the named arrays of a batch.

`buffer_layout` lays the arrays behind each other in one leased buffer; `collate` (records) and `gather`
(rows) write them, `written` where samples may turn out bad meanwhile. `padding_gauge` counts what of them is
padding, and `travelling` takes a batch to another process before it is written. Used by `batches`; of layouts
and their checks others know.
"""
