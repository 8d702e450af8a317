"""Code blocks of the pages, run as a reader would: page by page, in order, in a folder of the page's own."""

from __future__ import annotations

import contextlib
import importlib
import io
import pkgutil
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpnet as bp
from bpnet.__main__ import main

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^(?P<fence>`{3,})(?P<language>[^\n`]*)\n(?P<text>.*?)^(?P=fence)`*[ \t]*$", re.M | re.S)
_BPNET = re.compile(r"^(\S*/)?python3? -m bpnet ")
# What may differ between processors, days and machines: numbers, and the blanks before them that align columns.
_NUMBER = re.compile(r"[ \t]*[-+]?\d[\d,]*(\.\d*)?(e[-+]?\d+)?")


# Modules that need an extra, and are left out where it is not installed.
_EXTRAS = ("bpnet.river", "bpnet.sklearn")


def documented_modules() -> list[str]:
    """bpnet and all below it that has no underscore in its name."""
    found = ["bpnet", *(each.name for each in pkgutil.walk_packages(bp.__path__, "bpnet."))]
    return [
        each
        for each in found
        if not any(part.startswith("_") for part in each.split(".")) and not _lacks_extra(each)
    ]


def _lacks_extra(module: str) -> bool:
    if not module.startswith(_EXTRAS):
        return False
    try:
        importlib.import_module(module)
    except ImportError as error:
        if "pip install" not in str(error):
            raise
        return True
    return False


def pages() -> list[Path]:
    """README and every page of the documentation."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line of the page where the text begins."""

    page: str
    line: int
    language: str
    text: str

    @property
    def where(self) -> str:
        """``docs/lecture.md:12``"""
        return f"{self.page}:{self.line}"

    def lines(self) -> list[str]:
        """A shell block's commands, one a line, without comments."""
        joined = self.text.replace("\\\n", " ")
        commands = (shlex.join(shlex.split(line, comments=True)) for line in joined.splitlines())
        return [line for line in commands if line]


def blocks(page: Path) -> list[Block]:
    """The page's blocks, without directives such as ``{toctree}``."""
    content = page.read_text(encoding="utf-8")
    name = page.relative_to(ROOT).as_posix()
    return [
        Block(name, content.count("\n", 0, match.start("text")) + 1, match["language"].strip(), match["text"])
        for match in _FENCE.finditer(content)
        if not match["language"].startswith("{")
    ]


class Session:
    """What a page's blocks share: names and files."""

    def __init__(self, not_run: Mapping[str, str]) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.not_run = not_run
        self.left_out: set[str] = set()  # entries of not_run that something began with
        self.printed = ""  # by the last block, until it is compared

    def leaves_out(self, text: str) -> bool:
        """Whether the text begins with an entry of ``not_run``."""
        entries = {entry for entry in self.not_run if text.startswith(entry)}
        self.left_out |= entries
        return bool(entries)

    def run(self, block: Block) -> None:
        """Run the block, or compare it with what the last one printed; an AssertionError for what is neither."""
        if block.language == "sh":
            self.printed = "".join(self._shell(block, line) for line in block.lines())
        elif self.leaves_out(block.text):
            self.printed = ""
        elif block.language == "python":
            self.printed = self._python(block)
        else:
            assert block.language == "text" and self.printed, (
                f"{block.where}: a block of {block.language!r} is neither run nor listed"
            )
            check_printed(block, self.printed)
            self.printed = ""

    def _python(self, block: Block) -> str:
        code = compile("\n" * (block.line - 1) + block.text, block.page, "exec")
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(code, self.names)
        return printed.getvalue()

    def _shell(self, block: Block, line: str) -> str:
        """What ``python -m bpnet`` prints; other commands must be listed."""
        printed = ""
        for command in line.split(" '&&' "):
            if self.leaves_out(command):
                continue
            assert _BPNET.match(command), f"{block.where}: {command!r} is neither run nor listed"
            with contextlib.redirect_stdout(io.StringIO()) as stream:
                status = main(shlex.split(command)[3:])
            assert status == 0, f"{block.where}: {command} ended with {status}"
            printed += stream.getvalue()
        return printed


def check_printed(block: Block, printed: str) -> None:
    """The block shows what was printed, but for numbers; a line ``…`` stands for any lines."""
    shown = "".join(
        r"(?:.*\n)*?" if line == "…" else re.escape(pattern_of(line)) + r"\n"
        for line in block.text.strip("\n").splitlines()
    )
    found = "".join(f"{pattern_of(line)}\n" for line in printed.strip("\n").splitlines())
    assert re.fullmatch(shown, found), f"{block.where}: shown\n{block.text}\nprinted\n{printed}"


def pattern_of(line: str) -> str:
    """The line with its numbers masked, and blanks that only align left out."""
    return " ".join(_NUMBER.sub(" #", line).replace("[ ", "[").split())


def links(page: Path) -> Iterator[tuple[str, str]]:
    """(path, anchor) of the page's relative links and pictures; one of them may be empty."""
    content = re.sub(r"`[^`\n]*`", "", _FENCE.sub("", page.read_text(encoding="utf-8")))
    for target in re.findall(r"\]\(([^)\s]+)\)", content):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            yield path, anchor


def anchors(page: Path) -> set[str]:
    """The anchors of the page's headings, as GitHub names them, and its explicit ones."""
    content = _FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ +(.*?) *$", content, re.M)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r"^\(([\w-]+)\)=$", content, re.M))
