"""Microbenchmarks against installed peers: each in its own process, run alternately, medians and ratios.

``markone bench conv`` times the convolutions of real networks in markone and in the libraries that are
installed beside it, and prints rates, the share of this machine's peak and the ratios of the times.
"""
