"""Training: one plain loop and what it is made of. Tensors in, numbers out; no path and no file."""
