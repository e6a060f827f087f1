"""Ray itself, imported when it is used: an extra."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flowload.errors import MissingExtra

__all__ = ["ray", "ray_data"]


def ray() -> Any:
    """Ray. Raises MissingExtra that says how to install it."""
    return imported("ray", "ray")


def ray_data() -> Any:
    """Ray Data. Raises MissingExtra that says how to install it, or what it needs."""
    ray()
    return imported("ray.data", "ray")


def imported(name: str, extra: str) -> Any:
    """A module of an extra."""
    try:
        return import_module(name)
    except ImportError as error:  # Ray Data says by it that pyarrow or pandas are not there
        if isinstance(error, ModuleNotFoundError) and error.name != name:
            raise
        raise MissingExtra(f"{name} is not installed; try: pip install 'flowload[{extra}]'") from error
