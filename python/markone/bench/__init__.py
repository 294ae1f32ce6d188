"""Microbenchmarks against installed peers: each in its own process, run alternately, medians and ratios.

``markone bench step`` trains the same networks in markone and in PyTorch and prints the ratio of the times.
"""
