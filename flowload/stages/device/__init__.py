"""`to_device`: batches as tensors where the training step wants them. Here alone stages import torch."""
