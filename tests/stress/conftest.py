from fixtures import admin, gateway, logged, responder, served  # noqa: F401  pytest finds fixtures by name
