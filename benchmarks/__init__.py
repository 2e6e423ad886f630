"""This server beside its peers, on the same work in the same run: `python -m benchmarks`.

Knows nothing of the package but its command line: the figures are what a user would see.
"""
