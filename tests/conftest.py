"""What all tests share: the --slow option, and threads as before after each test."""

from __future__ import annotations

import pytest

import bpnet as bp


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="slow: give --slow to run it")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def _threads_as_before():
    before = bp.num_threads()
    yield
    bp.set_num_threads(before)
    from threading_layers import as_asked

    as_asked()
