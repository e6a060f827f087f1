"""Pictures of runs: the graph with its numbers, as SVG, PNG, DOT, Mermaid, or as a page that moves.

`record` looks at runs and keeps what it saw, `scene` says what is shown of it, as plain values; `svg`, `dot`,
`mermaid` and `terminal` draw that, `painter` writes it to a file, `web` serves it to the page in `page`.
"""
