"""PanteraS gateway: services in containers by name, from everywhere, always fresh."""
