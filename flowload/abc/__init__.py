"""What users implement, and what graph, stages, formats and runtime have agreed on: shapes, no behaviour.

`operators` has what a stage opens (`Source`, `Map`, `Fold`, wiring), `records` rows with random access,
`chunk_formats` files of compressed chunks. Everybody may import it; it imports `errors` and `files` alone.
"""
