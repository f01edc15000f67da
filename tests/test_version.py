"""The version: a number that can be compared, and the one of the package."""

import re

import veridical
from veridical import version


def test_the_version_is_a_semantic_one_and_that_of_the_package() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|rc\d+)?", version.__version__)
    assert veridical.__version__ == version.__version__
