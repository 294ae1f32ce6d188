"""Errors that are two of Python's at once."""


class AssertedError(ValueError, AssertionError):
    """A wrong value where PyTorch asserts: caught as either."""
