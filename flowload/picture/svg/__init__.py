"""The picture of a run as SVG: marks, colours, histories; pure functions of a scene.

Mirrored letter by letter by the JavaScript in `page`; PNG is made of it by `painter`.
"""
