"""How the documentation is built: ``python -m sphinx -W --keep-going -b html docs build/docs`` (the extra ``docs``)."""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS / "extensions"))

import bpnet  # noqa: E402

project = "bpnet"
author = "The bpnet authors"
copyright = author
version = release = bpnet.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "checkout_links",
    "command_line",
    "docstrings",
    "mathml",
    "notebooks",
]
exclude_patterns = ["extensions", "pictures.py"]

# Nothing is loaded from another server when a page is read: furo brings its styles and scripts.
html_theme = "furo"
html_title = f"bpnet {release}"
html_show_sphinx = False
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["site.css"]

myst_heading_anchors = 3  # so that [text](page.md#heading) is checked, as GitHub names headings
myst_enable_extensions = ["colon_fence", "dollarmath"]
html_math_renderer = "mathml"

# Notebooks are executed, each in an empty folder. What ends in an exception or writes on standard error is a warning.
os.environ["TQDM_DISABLE"] = "1"  # the states of a bar that moves would be lines of the page
nb_custom_formats = {".nblink": ["nbformat.reads", {"as_version": 4}]}
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_timeout = -1
nb_execution_show_tb = True
nb_output_stderr = "error"
nb_merge_streams = True
nb_ipywidgets_js = {}
nb_render_image_options = {"alt": "What the code above draws"}

# The docstrings: Google's sections, with types in the signatures; those of bpnet.sklearn and bpnet.river are NumPy's.
napoleon_use_param = False  # "seed, dtype: as …" describes two parameters
napoleon_use_ivar = True
napoleon_custom_sections = [("Returns", "as it is")]  # prose, whose colons follow no types
autodoc_default_options = {"members": True, "member-order": "bysource", "exclude-members": "operation"}
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 88

# Each :meth: and :func: of a docstring must be found, and each type of bpnet's; other libraries' types are names.
nitpicky = True
nitpick_ignore_regex = [
    ("py:class", r"(?!bpnet\.).*"),
    ("py:class", r"bpnet\.layers\.base\._L|bpnet\.data\.images\.batches\.ImageBatches"),
    ("py:meth", r"Network\.load_state_dict"),
]
