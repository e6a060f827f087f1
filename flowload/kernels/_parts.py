"""Parts of kernels: code that is linked into what calls it, and only there optimised and made machine code.

numba does both with every function that it compiles, though nobody can call a part but kernels, whose code it
becomes: half of the time of a cold start. This reaches behind numba's public words, where there is no way to
say it; where numba has become another, `PartCompiler` is its own compiler, and a cold start takes longer.
"""

# ruff: noqa: SLF001

from __future__ import annotations

from typing import Any

from numba.core import codegen, compiler

__all__ = ["PartCompiler", "set_environments"]

Library: Any = codegen.JITCodeLibrary
Compiler: Any = compiler.Compiler
find_environment: Any = getattr(compiler, "lookup_environment", None)
USED = ("_finalize_dynamic_globals", "_optimize_functions", "_get_module_for_linking", "_raise_if_finalized")
ENVIRONMENT = "_ZN08NumbaEnv"  #: how names of the variables begin that point to what Python code can see


class Unset:
    """numba's code generator, for a library that is no machine code: nothing can be set in it yet."""

    def __init__(self, known: Any) -> None:
        self._known = known

    def __getattr__(self, name: str) -> Any:
        return getattr(self._known, name)

    def set_env(self, name: str, env: Any) -> None:
        """Later, see `set_environments`."""


class PartLibrary(Library):  # type: ignore[misc]  # untyped
    """Code as it was lowered, with that of its own parts."""

    @property
    def codegen(self) -> Any:
        """See `Unset`."""
        return Unset(self._codegen)

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def finalize(self) -> None:
        """Link, and leave it at that."""
        self._raise_if_finalized()
        for library in dict.fromkeys(self._linking_libraries):
            self._reload_init.update(library._reload_init)
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:  # noqa: ARG002 - numba's shape
        """None."""
        return 0


class LinkedCompiler(Compiler):  # type: ignore[misc]  # untyped
    """numba's compiler, into a `PartLibrary`."""

    def compile_extra(self, func: Any) -> Any:
        """Compile a function."""
        library = PartLibrary(self.state.targetctx.codegen(), func.__qualname__)
        library.enable_object_caching()
        self.state.library = library
        return super().compile_extra(func)


known = find_environment is not None and all(hasattr(Library, name) for name in USED)
PartCompiler: Any = LinkedCompiler if known else Compiler


def set_environments(compiled: Any) -> None:
    """Set what `PartLibrary` left unset, once the code that its functions are part of is machine code."""
    library = compiled.library
    if not known:
        return
    for variable in library._final_module.global_variables:
        if variable.name.startswith(ENVIRONMENT):
            found = find_environment(variable.name)
            if found is not None:
                library.codegen.set_env(variable.name, found)
