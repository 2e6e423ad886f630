"""The VPN door: X.509 and tls-crypt-v2 keys, OpenVPN and its profiles, the firewall behind it, and names."""
