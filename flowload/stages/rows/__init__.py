"""Rows with random access: `rows`, `shuffle`, `bucket`; they flow as row numbers, and `batch` reads them."""
