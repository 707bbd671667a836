"""Sphinx settings: python -m sphinx docs docs/_build."""

project = "tinyconv"
author = "The tinyconv authors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
html_theme = "furo"
exclude_patterns = ["_build"]
autodoc_member_order = "bysource"
