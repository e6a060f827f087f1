"""Serves the page that moves (its files lie in `page`): this run, and other ranks on the same machine.

Opened by `fl.watch` and `flowload run --watch`; listens on this machine alone unless told otherwise.
"""
