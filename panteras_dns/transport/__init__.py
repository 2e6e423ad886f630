"""Sockets on Twisted's reactor: where clients knock, and how questions reach servers. Meaning is the forwarder's."""
