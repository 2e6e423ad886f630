"""Every reader of bytes, given bytes that nobody meant to send."""
