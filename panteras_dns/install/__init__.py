"""Makes the gateway this host's DNS server, and takes all of it back exactly."""
