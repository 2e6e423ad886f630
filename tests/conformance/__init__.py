"""What a forwarder must do, as a table that any DNS server can be held against. `README` of the idea: table.py."""
