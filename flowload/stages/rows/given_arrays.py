"""Arrays as users have them (numpy, torch, pandas, pyarrow, lists ...) become numpy arrays, or are refused.

Nothing is guessed: a masked value has no value, an object no size, and a list of different things no type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.errors import GraphError

__all__ = ["as_array", "library"]

NUMBERS = "biufc"  #: kinds of dtypes


def library(value: object) -> str:
    """The name of the package that a value's class comes from."""
    for kind in type(value).__mro__:  # a class of the user's may inherit
        root = kind.__module__.partition(".")[0]
        if root in ("torch", "pandas", "pyarrow", "h5py", "zarr", "tensorflow"):
            return root
    return type(value).__module__.partition(".")[0]


def as_array(value: Any, what: str) -> NDArray[Any]:
    """A numpy array of the same numbers, on the same memory where that can be.

    Args:
        value: an array, a tensor, a column of a table, a list, a number.
        what: what messages call it, such as "rows: 'x'".

    Raises GraphError, one line that says why not, and the way out.
    """
    if type(value) is np.ndarray and not value.dtype.hasobject:
        return value
    if isinstance(value, np.ma.MaskedArray):
        return of_masked(value, what)
    if isinstance(value, np.ndarray | np.generic):
        return of_objects(np.asarray(value), what)
    if isinstance(value, list | tuple):
        return of_list(value, what)
    made = {"torch": of_tensor, "pandas": of_pandas, "pyarrow": of_arrow, "h5py": lazy, "zarr": lazy}
    if (convert := made.get(library(value))) is not None:
        return convert(value, what)
    if isinstance(value, Mapping | set | frozenset) or not (
        hasattr(value, "__array__") or isinstance(value, int | float | complex | str | bytes)
    ):
        raise refused(value, what)
    return of_objects(np.asarray(value), what)


def refused(value: object, what: str) -> GraphError:
    """For what is no array at all."""
    return GraphError(
        f"{what} is {type(value).__name__}, which is no array; wanted an array, a tensor or a list"
    )


def of_masked(value: Any, what: str) -> NDArray[Any]:
    """A masked array without masked values."""
    missing = int(np.count_nonzero(np.ma.getmaskarray(value)))
    if missing:
        raise GraphError(
            f"{what} is a masked array, and {missing:,} of its {value.size:,} values are masked: they have no"
            " value; fill them, x.filled(0), and give ~x.mask as an array of its own"
        )
    return of_objects(np.asarray(value.data), what)


def of_objects(array: NDArray[Any], what: str) -> NDArray[Any]:
    """An array of fixed size a row; objects that are all text become it."""
    if not array.dtype.hasobject:
        return array
    if array.dtype.kind == "O" and array.size and all(isinstance(value, str) for value in array.flat):
        return same_text(array.astype(str), array.flat, what)
    kinds = sorted({type(value).__name__ for value in array.flat}) if array.dtype.kind == "O" else []
    of = f" of {', '.join(kinds[:4])}" if kinds else ""
    raise GraphError(
        f"{what} has dtype {array.dtype}{of}, and Python's objects cannot be copied as bytes; give"
        " numbers or text of one dtype, such as x.astype(np.float32)"
    )


def same_text(made: NDArray[Any], before: Any, what: str) -> NDArray[Any]:
    """Text as numpy keeps it, unless that loses something: zeros at its end."""
    if any(len(one) != len(other) for one, other in zip(made.flat, before, strict=True)):
        raise GraphError(
            f"{what} has text that ends in '\\0', which numpy's text loses; give its bytes as numbers"
        )
    return made


def of_list(value: Any, what: str) -> NDArray[Any]:
    """A list of numbers, of text, of lists of equal length, or of arrays and tensors of one shape."""
    if (
        value
        and not isinstance(value[0], list | tuple)
        and hasattr(value[0], "__len__")
        and not is_text(value[0])
    ):
        return stacked([as_array(one, f"{what}, element {k}") for k, one in enumerate(value)], what)
    try:
        made = np.asarray(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise GraphError(f"{what} is a list that is no array: {error}") from error
    kinds = {type(one) for one in leaves(value)}
    if made.dtype.kind in "US":
        if not (kinds <= {str, np.str_} or kinds <= {bytes, np.bytes_}):
            raise mixed(kinds, what)
        return same_text(made, leaves(value), what)
    if made.dtype.kind not in NUMBERS:
        raise mixed(kinds, what)
    if made.dtype.kind == "f" and kinds <= {int, bool}:
        raise GraphError(
            f"{what} has whole numbers that no integer of 64 bits holds; say a dtype: np.array(x, ...)"
        )
    return made


def is_text(value: object) -> bool:
    """Text and bytes have a length, and are one value."""
    return isinstance(value, str | bytes)


def leaves(value: Any) -> Iterator[Any]:
    """What stands in nested lists."""
    for one in value:
        if isinstance(one, list | tuple):
            yield from leaves(one)
        else:
            yield one


def mixed(kinds: set[type], what: str) -> GraphError:
    """For a list of different things."""
    names = ", ".join(sorted(kind.__name__ for kind in kinds)) or "nothing"
    return GraphError(f"{what} is a list of {names}; wanted numbers of one kind, or text")


def stacked(arrays: list[NDArray[Any]], what: str) -> NDArray[Any]:
    """Arrays of one shape and dtype as one, each a row."""
    first = arrays[0]
    for k, array in enumerate(arrays):
        if array.shape != first.shape or array.dtype != first.dtype:
            raise GraphError(
                f"{what} is a list of unlike arrays: element {k} is {array.dtype}{list(array.shape)}, element"
                f" 0 is {first.dtype}{list(first.shape)}; columns go in a dict or a tuple"
            )
    return np.stack(arrays)


def of_tensor(value: Any, what: str) -> NDArray[Any]:
    """A torch tensor in this computer's memory."""
    if not hasattr(value, "requires_grad"):
        raise refused(value, what)
    if value.requires_grad:
        raise GraphError(
            f"{what} is a tensor that requires grad, and a batch is no part of its graph; x.detach()"
        )
    if value.device.type != "cpu":
        raise GraphError(
            f"{what} is a tensor on {value.device}, and rows are gathered in main memory: x.cpu(), and"
            " fl.to_device(...) behind batch"
        )
    try:
        array: NDArray[Any] = value.resolve_conj().resolve_neg().numpy()
    except (TypeError, RuntimeError) as error:  # bfloat16, sparse, quantised ...
        raise GraphError(
            f"{what} is a tensor of {value.dtype} ({value.layout}), which numpy has not: {first_line(error)};"
            " x.float(), say, or x.view(torch.int16) for its bits"
        ) from error
    return array


def of_pandas(value: Any, what: str) -> NDArray[Any]:
    """A column of pandas whose values are all there."""
    if getattr(value, "ndim", 0) != 1 or not hasattr(value, "to_numpy"):
        raise refused(value, what)
    array = np.asarray(value.to_numpy())
    missing = int(value.isna().sum())
    nullable = not isinstance(
        getattr(value, "dtype", array.dtype), np.dtype
    )  # whole numbers with gaps would become others
    if missing and (nullable or array.dtype.kind not in "fc"):
        raise GraphError(
            f"{what} lacks {missing:,} of {len(value):,} values; x.fillna(...), or drop those rows"
        )
    return of_objects(array, what)


def of_arrow(value: Any, what: str) -> NDArray[Any]:
    """A column of pyarrow whose values are all there."""
    if not hasattr(value, "null_count") or not hasattr(value, "to_numpy"):
        raise refused(value, what)
    if value.null_count:
        raise GraphError(f"{what} lacks {value.null_count:,} of {len(value):,} values; x.fill_null(...)")
    # An array is copied where its bytes are others than numpy's; a chunked one always.
    whole = value.combine_chunks() if hasattr(value, "combine_chunks") else value
    return of_objects(np.asarray(whole.to_numpy(zero_copy_only=False)), what)


def lazy(value: Any, what: str) -> NDArray[Any]:
    """For an array on disk among others: its own records read it."""
    raise GraphError(
        f"{what} is {library(value)}'s, on disk, beside arrays of another kind; wanted all of one file or"
        " group, or x[:] for what is to lie in memory"
    )


def first_line(error: Exception) -> str:
    """What an error says first."""
    return (str(error).splitlines() or [type(error).__name__])[0].strip().rstrip(".")
