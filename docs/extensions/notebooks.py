"""Pages that are notebooks of the checkout: ``NAME.nblink`` names one by its path, ``{"path": "…/NAME.ipynb"}``.

They are stored without outputs, and MyST-NB executes them when the page is read.
"""

from __future__ import annotations

import json
from pathlib import Path

from sphinx.application import Sphinx

SUFFIX = ".nblink"
# Below the heading.
NOTE = "*The outputs are those of {{download}}`{name} <{path}>`, executed by bpnet {release} when this site was built.*"


def replace_link(app: Sphinx, page: str, source: list[str]) -> None:
    """Replace the link by the text of the notebook, before it is parsed."""
    link = Path(app.env.doc2path(page))
    if link.suffix != SUFFIX:
        return
    path = json.loads(source[0])["path"]
    app.env.note_dependency(link.parent / path)
    notebook = json.loads((link.parent / path).read_text(encoding="utf-8"))
    heading, *text = notebook["cells"][0]["source"]
    note = NOTE.format(name=Path(path).name, path=path, release=app.config.release)
    notebook["cells"][0]["source"] = [heading, f"\n{note}\n", *text]
    source[0] = json.dumps(notebook)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", replace_link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
