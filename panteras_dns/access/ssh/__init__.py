"""The SSH door: certificates and lists of revoked keys as OpenSSH has them, sshd, and the gate behind it."""
