"""Fixtures of all tests, and the choice of few of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--one-case`."""
    parser.addoption("--one-case", action="store_true", help="of a test with parameters, run the first case only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the first case of every test, and all of those that are marked with `every_case`."""
    if not config.getoption("--one-case"):
        return
    first: dict[tuple[Path, str], pytest.Item] = {}
    kept, left = [], []
    for item in items:
        name = item.nodeid.partition("[")[0]
        alone = first.setdefault((item.path, name), item) is item
        (kept if alone or item.get_closest_marker("every_case") else left).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept


@pytest.fixture
def double_precision() -> Iterator[None]:
    """Numbers of double precision where no other is asked for, and seed 0, for one test."""
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)
