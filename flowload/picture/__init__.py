"""Pictures of runs: the graph with its numbers, as SVG, PNG, DOT, Mermaid, or as a page that moves.

`scene` says what is shown, as plain values; `layout` lets Graphviz place it; `svg`, `dot` and `mermaid` write
it down, `painter` to a file; `watcher` keeps a run's last moments, `live` serves them to a page.
"""
