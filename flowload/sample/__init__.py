"""Small real data that ships with flowload, so that every pipeline runs at once.

`chess`: 24 games that the lc0 engine played against itself (random backend), in two tars: records of version
6, input format 1; made for this project, under its licence.
`games`: 1,000 games of Yolah, up to 20 random plies each and then greedy ones; made for this project, too.
`molecules`: 385 conformations of 97 simulated molecules, with the energies and forces of a simple force
field, packed: what `tools/samples/molecules.py` writes.
`neural`: 1,536 moments of 32 simulated neurons, and who listens to whom: what
`flowload.formats.recordings.recording.simulate` writes.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["sample_names", "sample_path"]

HERE = Path(__file__).parent


def sample_names() -> list[str]:
    """The samples, in order.

    Examples:
        >>> sample_names()
        ['chess', 'games', 'molecules', 'neural']
    """
    return sorted(entry.name for entry in HERE.iterdir() if entry.is_dir() and entry.name[0] not in "._")


def sample_path(name: str) -> Path:
    """The folder of a sample; ValueError lists the samples if there is none of that name.

    Examples:
        >>> sorted(path.suffix for path in sample_path("chess").iterdir())
        ['.tar', '.tar']
    """
    samples = sample_names()
    if name not in samples:
        raise ValueError(f"there is no sample {name!r}; there are {', '.join(map(repr, samples))}")
    return HERE / name
