"""What a picture shows of a run, as plain values: rows on rails, what each says, the verdict in words.

Whoever draws (SVG, page, terminal, DOT, Mermaid) reads these values, and neither asks a run nor reckons.
"""
