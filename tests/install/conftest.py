from fixtures import gateway, responder, served  # noqa: F401  pytest finds fixtures by name
