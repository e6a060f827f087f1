"""Every text can be read on what it stands on, in light, dark and print; hues are told apart by everybody."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from flowload.picture.svg.palette import DARK, LIGHT, PRINT, RULES, both_themes, css_of, variables

PALETTES = {"light": LIGHT, "dark": DARK, "print": PRINT}
#: Words and what they stand on, as the drawing has them.
TEXTS = [
    ("ink", "paper"), ("dim", "paper"), ("hot", "paper"), ("ink", "tint"), ("dim", "tint"), ("hot", "tint"),
    ("good", "paper"), ("onwork", "work"), ("ondisk", "disk"), ("onlate", "late"), ("onroom", "room"),
    ("onhot", "hot"), ("dim", "track"), ("ink", "raise"),
]  # fmt: skip
PARTS = ("work", "disk", "late", "room", "track", "hot")
#: What an eye without one kind of cone makes of linear light (Vienot, Brettel and Mollon, 1999).
EYES = {
    "all": np.eye(3),
    "protan": np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]]),
    "deutan": np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]]),
}


def linear(colour: str) -> NDArray[np.float64]:
    values = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(one: str, two: str) -> float:
    bright = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, two))
    return (bright[1] + 0.05) / (bright[0] + 0.05)


def lab(light: NDArray[np.float64]) -> NDArray[np.float64]:
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ light
    f = np.cbrt(np.maximum(xyz / [0.9505, 1.0, 1.089], 1e-4))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("name", PALETTES)
def test_every_text_has_contrast(name: str) -> None:
    palette = PALETTES[name]
    assert {pair: contrast(palette[pair[0]], palette[pair[1]]) >= 4.5 for pair in TEXTS} == dict.fromkeys(
        TEXTS, True
    )


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("name", ["light", "dark"])
def test_parts_of_a_bar_are_told_apart(name: str, eye: str) -> None:
    palette: Mapping[str, str] = PALETTES[name]
    seen = {part: lab(np.clip(EYES[eye] @ linear(palette[part]), 0, 1)) for part in PARTS}
    apart = {(a, b): float(np.linalg.norm(seen[a] - seen[b])) for a, b in itertools.combinations(PARTS, 2)}
    assert min(apart.values()) > 9, min(apart, key=lambda pair: apart[pair])


def test_every_role_of_the_style_sheet_has_its_colour() -> None:
    for palette in PALETTES.values():
        assert "$" not in css_of(palette)
        assert set(palette) == set(LIGHT)
    assert "$" in RULES
    assert both_themes().count("@media") == 2
    assert "var(--work)" in variables()
    assert "$" not in variables()
