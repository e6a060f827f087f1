"""The one compilation policy: nothing else calls numba's njit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, ParamSpec, TypeAlias, TypeVar, cast

import numba
from numba import types
from numba.core.dispatcher import Dispatcher
from numba.core.registry import CPUDispatcher

from ._parts import PartCompiler, set_environments

__all__ = ["CHECKED", "Kernel", "Kinds", "kernel"]

P = ParamSpec("P")
R = TypeVar("R")
Kinds: TypeAlias = tuple[Any, ...]  #: numba's types of arguments
plain: Any = types.unliteral


def digest_of(folder: Path) -> str:
    """Eight letters that change when a module of a folder, or of one below it, does."""
    digest = hashlib.blake2b(digest_size=4)
    for module in sorted(folder.rglob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()


CHECKED = bool(getattr(numba.config, "BOUNDSCHECK", None))  #: by NUMBA_BOUNDSCHECK=1
STAMP = digest_of(Path(__file__).parent) + "-checked" * CHECKED


POLICY = {
    "nopython": True,
    "nogil": True,
    "error_model": "numpy",
    "boundscheck": False,
    "no_cfunc_wrapper": True,  # no kernel is handed to C code as a callback
}


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function on its first call: without the GIL, cached on disk, in IEEE arithmetic.

    Division by zero gives inf or nan as in numpy, indices are not checked, and floats are never
    reordered (no fastmath): equal input gives equal bits on every machine. The cache lies beside the
    module, or in the user's cache folder where an installed package may not be written to.

    What one kernel calls of another is compiled as part of it, see `Kernel`.

    Under NUMBA_BOUNDSCHECK=1 indices are checked, and so are the reads and writes of `words`; such kernels
    have a cache of their own.
    """
    if getattr(numba.config, "DISABLE_JIT", False):
        return function
    compiled = Kernel(function, targetoptions=dict(POLICY))
    enable_cache(compiled, function)
    return cast("Callable[P, R]", compiled)


class Kernel(CPUDispatcher):
    """A compiled function; what other kernels get of it is compiled apart, as a part of theirs.

    Most of the time of a cold start went into what nobody needs of such parts: an entry from Python, a cache
    file, and a version for each literal argument (which LLVM makes by itself where it inlines). Without
    these, the kernels that `flowload run pipelines/chess.py` uses compile in 0.7 of the time.
    """

    _cache: Any  # numba's

    @cached_property
    def part(self) -> Any:
        """The same function, to be called by kernels alone."""
        options = {**POLICY, "no_cpython_wrapper": True}
        return CPUDispatcher(self.py_func, targetoptions=options, pipeline_class=PartCompiler)

    def add_overload(self, cres: Any) -> None:
        """Enter code that was compiled, or loaded."""
        set_environments(cres)
        super().add_overload(cres)

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """What a kernel calls for arguments of these types; values of literals do not matter."""
        named = {name: plain(kind) for name, kind in kws.items()}
        return self.part.get_call_template(tuple(map(plain, args)), named)

    def get_overload(self, sig: Any) -> Any:
        """The code of what `get_call_template` gave."""
        return self.part.get_overload(sig)

    def kinds(self, args: Iterable[object]) -> Kinds:
        """The types of arguments, which code is compiled for."""
        return tuple(map(self.typeof_pyval, args))

    def is_there(self, kinds: Kinds) -> bool:
        """Whether there is code for these types: in this process, or on disk, where a call finds it."""
        if kinds in self.overloads:
            return True
        if self.folder is None:
            return False
        # numba has no word for this: its own look loads the code as well, and what it takes to load it.
        cache: Any = self._cache
        target: Any = self.targetctx
        key = cache._index_key(kinds, target.codegen())  # noqa: SLF001
        return key in cache._cache_file._load_index()  # noqa: SLF001

    @property
    def folder(self) -> Path | None:
        """Where compiled code is kept; None: nowhere."""
        path = self._cache.cache_path
        return None if path is None else Path(path)


def enable_cache(compiled: Dispatcher[Callable[P, R]], function: Callable[P, R]) -> None:
    """Keep what is compiled on disk, under a name that changes with any file of this package.

    numba compiles a kernel anew when its own file has changed, but not when a kernel of another file has
    that it calls: it would go on with the old one, without a word.
    """
    name = function.__qualname__
    function.__qualname__ = f"{name}-{STAMP}"
    try:
        # Where no folder can be written to (a locked-down container) it starts slower, but is not broken.
        with suppress(RuntimeError):
            compiled.enable_caching()
    finally:
        function.__qualname__ = name
