"""markone: deep learning with hand-written kernels."""
