"""Bytes on disk to arrays and back: one file per idea, no async, no torch."""
