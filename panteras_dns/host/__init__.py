"""What this process and this machine are to each other: addresses, ports, privileges, workers, the log.

Knows no DNS message and no reactor.
"""
