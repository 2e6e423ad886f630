"""The admin: what the workers count and what failed, over HTTP, for eyes, Prometheus and the terminal.

A process of its own: nothing here keeps an answer waiting.
"""
