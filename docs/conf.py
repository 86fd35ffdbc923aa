"""How Sphinx builds the documentation: make docs."""

project = "rnnd"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "rnnd"
exclude_patterns = ["man", "build"]
root_doc = "index"
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
nitpicky = True
