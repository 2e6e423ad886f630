"""`python -m panteras_dns`."""

from panteras_dns.cli import main

main(prog_name="panteras")
