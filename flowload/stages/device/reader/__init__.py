"""What `to_device` does in the reader's process, where the run has a process of its own.

`to_device` alone calls it: tensors on the memory of both processes (`tensors`), copies from there to a card
(`copies`), and tensors of what several batches share, known by number (`numbered`).
"""
