"""Bytes on disk to arrays and back: one room per kind of file, no async, no torch.

A chunk format is a package or module here that exposes `FORMAT`: `fl.read` finds it by its name. Records
for `fl.rows` are classes that users name: `rows.NpyRows`, `games.Games`, `molecules.PackedMolecules`.
Stages meet formats by `flowload.abc` alone.
"""
