"""The lab: a docker host, a laptop and an internet, each a network namespace, with real servers in them.

Nothing in it reaches beyond the machine but the making of images: their packages come from where this machine
itself gets its own.
"""
