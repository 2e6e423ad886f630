"""The query log: workers hand over what came and went as bytes, a process of its own makes lines of it."""
