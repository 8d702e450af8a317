"""Pages link to files of the checkout as GitHub shows them; here those that are pages too are linked as pages."""

from __future__ import annotations

from sphinx.application import Sphinx

# Files beside docs/, and the pages that show them.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "examples/filters.ipynb": "notebooks/filters.nblink",
    "examples/lecture.ipynb": "notebooks/lecture.nblink",
    "examples/tabular.ipynb": "notebooks/tabular.nblink",
}


def link_pages(app: Sphinx, page: str, source: list[str]) -> None:
    """In the text of a page, before it is parsed."""
    up = "../" * (page.count("/") + 1)
    here = "../" * page.count("/")
    for file, target in PAGES.items():
        source[0] = source[0].replace(f"]({up}{file}", f"]({here}{target}")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", link_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
