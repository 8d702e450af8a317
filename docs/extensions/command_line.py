"""The directive ``command-line``: usage and options of one command, from the parser that runs it.

```{command-line} alexnet train
```
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from bpnet.__main__ import build_parser


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of the commands within, by name."""
    found = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return {name: each for action in found for name, each in action.choices.items()}


def parsers(parser: argparse.ArgumentParser, path: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Each command that does something, by its path: ``train``, ``alexnet test``."""
    within = commands(parser)
    for name, each in within.items():
        yield from parsers(each, f"{path} {name}".strip())
    if not within:
        yield path, parser


class CommandLine(SphinxDirective):
    """Usage, description, and a definition list of positional arguments and options."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        parser = dict(parsers(build_parser())).get(self.arguments[0])
        if parser is None:
            raise self.error(f"command-line: there is no command {self.arguments[0]!r}")
        parser.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=96)
        usage = parser.format_usage().removeprefix("usage: ")
        entries = nodes.definition_list()
        entries += [_entry(action) for action in parser._actions]
        description = [nodes.paragraph("", parser.description)] if parser.description else []
        return [nodes.literal_block(usage, usage, language="text"), *description, entries]


def _entry(action: argparse.Action) -> nodes.definition_list_item:
    names = action.option_strings or [_value(action)]
    value = f" {_value(action)}" if action.option_strings and action.nargs != 0 else ""
    term = nodes.term()
    for index, name in enumerate(names):
        term += [nodes.Text(", ")] * (index > 0) + [nodes.literal("", name + value)]
    text = [action.help or ""]
    if action.choices is not None:
        text.append(f"one of {', '.join(map(str, action.choices))}.")
    return nodes.definition_list_item(
        "", term, nodes.definition("", nodes.paragraph("", "; ".join(filter(None, text))))
    )


def _value(action: argparse.Action) -> str:
    return str(action.metavar or action.dest.upper())


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
