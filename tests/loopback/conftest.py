from fixtures import admin, gateway, responder, served  # noqa: F401  pytest finds fixtures by name
