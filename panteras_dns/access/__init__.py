"""The doors: identities, keys, profiles, the gate. It holds secrets, so the DNS process never imports it."""
