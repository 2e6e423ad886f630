"""The manual as a site: `make site` builds it into build/site.

Its source is the whole repository, so that the READMEs of the doors and of the examples are pages where they stand, and
a link between two pages is the same here as on a code host.
"""

import importlib.metadata

project = "PanteraS gateway"
author = "the PanteraS gateway's authors"
release = importlib.metadata.version("panteras-gateway")
html_title = f"{project} {release}"

extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = [
    "docs/*.md",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "sshd/README.md",
    "openvpn/README.md",
    "examples/*/README.md",
]
exclude_patterns = [".*", "build", "dist"]  # not even looked into: the environment holds pages of others
myst_heading_anchors = 3  # links to headings, as code hosts make them

html_theme = "furo"
html_extra_path = ["site"]  # index.html at the top leads to the manual's first page
html_copy_source = False
html_show_sphinx = False
templates_path: list[str] = []

man_pages = [
    ("docs/commands", "panteras", "the DNS and access gateway of docker hosts that run Consul", author, 1),
    ("docs/configuration", "panteras.toml", "configuration of the gateway", author, 5),
    ("docs/reasons", "panteras-reasons", "why a name does not work", author, 7),
]
