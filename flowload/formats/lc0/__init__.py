"""lc0 training data: the chunk format "lc0", its records, the rules of their values, and writing them."""

from .format import FORMAT

__all__ = ["FORMAT"]
