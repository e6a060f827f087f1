"""JAX itself, imported when it is used: an extra."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flowload.errors import MissingExtra

__all__ = ["import_jax"]


def import_jax() -> Any:
    """JAX. Raises MissingExtra that says how to install it."""
    try:
        return import_module("jax")
    except ModuleNotFoundError as error:
        if error.name != "jax":
            raise
        raise MissingExtra("jax is not installed; try: pip install 'flowload[jax]'") from error
