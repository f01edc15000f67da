"""The commands of the gallery are ones that the command line takes, and the page is what the script writes."""

import importlib.util
import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from veridical.cli import UsageError, evaluate, ising, sample, train
from veridical.cli.ising.sample import Sample as IsingSample
from veridical.cli.parse import parse, parse_sections
from veridical.config.families.table import find_family

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "gallery.md"
COMMANDS = re.findall(r"^\$ veridical (.*)$", PAGE.read_text(), flags=re.MULTILINE)


def families() -> dict[str, str]:
    """Return the family of every run directory that a command of the page trains."""
    trained = [shlex.split(command)[1:] for command in COMMANDS if command.startswith("train ")]
    return {words[words.index("--out") + 1]: train.starting_point(words)[0].family for words in trained}


def read(command: str) -> None:
    """Parse one command, as the command line would.

    Raises:
        UsageError: a name or a value is wrong.
    """
    verb, *words = shlex.split(command)
    if verb == "train":
        train.parse_options(words, train.starting_point(words)[0])
    elif verb == "sample":
        parse_sections(sample.sections(find_family(families()[words[0]]).sampling), verb, words)
    elif verb == "evaluate":
        assert str(parse(evaluate.Evaluate, verb, words).what) in families()
    else:
        assert (verb, words[0]) == ("ising", "sample")
        parse(IsingSample, "ising sample", words[1:])
        ising.parse_size(words[1])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_parses(command: str) -> None:
    read(command)


@pytest.mark.parametrize(
    "command",
    [
        "train gna --data ring --out runs/gan",
        "train gan --data ring --stpes 3 --out runs/gan",
        "sample runs/vae --label 3 --out vae.png",
        "evaluate runs/vae --n many",
        "ising sample 64 --packd",
    ],
)
def test_a_wrong_command_would_be_found(command: str) -> None:
    with pytest.raises(UsageError):
        read(command)


def test_the_page_is_what_the_script_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("gallery", ROOT / "scripts" / "gallery.py")
    assert spec is not None and spec.loader is not None
    gallery = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "gallery", gallery)
    spec.loader.exec_module(gallery)
    assert gallery.page(json.loads(gallery.LOG.read_text())) == PAGE.read_text()
    for entry in gallery.ENTRIES:
        assert (gallery.IMAGES / f"{entry.name}.png").stat().st_size <= gallery.LARGEST
