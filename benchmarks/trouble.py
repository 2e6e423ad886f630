"""The one exception that ends a run with one line instead of a traceback."""


class Trouble(Exception):
    """What is wrong and, after it, what to do about it."""
