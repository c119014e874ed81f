"""Sphinx configuration."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from ct_drawings import draw_beams
from drawings import draw_all
from flat_drawings import draw_flat
from mr_drawings import draw_mr_phantoms
from phantom_drawings import draw_phantoms
from results import write_tables
from site_drawing import draw_site
from us_drawings import draw_ultrasound

project = "imgtech"
author = "The imgtech developers"
copyright = "The imgtech developers"
release = version = installed_version("imgtech")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "tutorials", "gallery/*.py", "gallery/*.ipynb", "gallery/*.json", "Thumbs.db"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
autosummary_generate = True
extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
autodoc_typehints = "none"
templates_path = ["_templates"]
html_theme = "pydata_sphinx_theme"
html_title = f"imgtech {release}"
html_static_path = ["_static"]
html_show_sourcelink = False
html_theme_options = {
    "show_nav_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
sphinx_gallery_conf = {
    "examples_dirs": "tutorials",
    "gallery_dirs": "gallery",
    "filename_pattern": r"plot_",
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "plot_gallery": "True",
    "abort_on_example_error": True,
    "min_reported_time": 1e9,
    "capture_repr": (),
}
suppress_warnings = ["config.cache"]

HERE = Path(__file__).parent
draw_all(HERE / "_static" / "drawings")
draw_beams(HERE / "_static" / "drawings")
draw_phantoms(HERE / "_static" / "drawings")
draw_mr_phantoms(HERE / "_static" / "drawings")
draw_flat(HERE / "_static" / "drawings")
draw_site(HERE / "_static" / "drawings")
draw_ultrasound(HERE / "_static" / "drawings")
write_tables(HERE.parent / "benchmarks" / "results", HERE / "_static" / "tables")
