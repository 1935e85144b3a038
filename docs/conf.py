"""How Sphinx builds the documentation site from this repository's Markdown: `make docs`."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]

project = "FrugalCXR"
release = version = re.search(r'^__version__ = "(.*)"', (ROOT / "app/__init__.py").read_text(), re.M)[1]
copyright = "FrugalCXR's maintainers, Apache-2.0"

# The source is the whole repository, so that links to bundles, licences and code work as they do in a checkout.
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "bundles/*/docs/README.md",
    "bundles/*/docs/paper.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
]
exclude_patterns = [".*", "build", "data", "runs", "site"]
extensions = ["myst_parser"]
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline"]
suppress_warnings = ["myst.header"]
nitpicky = True

html_theme = "furo"
pygments_style = "default"  # of Furo's own styles, none colours what a diff adds and removes
pygments_dark_style = "github-dark"
html_title = "FrugalCXR"
html_static_path = ["site"]
html_css_files = ["site.css"]
html_extra_path = ["site/front"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#a3122a", "color-brand-content": "#a3122a"},
    "dark_css_variables": {"color-brand-primary": "#ff8a8a", "color-brand-content": "#ff8a8a"},
}
