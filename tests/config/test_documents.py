"""The reader of YAML: what is plain is read, everything else is refused with its line, in bounded time and memory."""

import random
from pathlib import Path

import pytest
import yaml

from veridical.config.documents import MOST_NODES, YamlError, load, read_text
from veridical.config.files import ConfigError, preset_origins, read, to_yaml
from veridical.config.presets import find_preset

CONFIG = to_yaml(find_preset("gan"), preset_origins("gan"))


@pytest.mark.parametrize(
    "text",
    [
        "a: 1",
        "[1, -2.5e3, .inf, true, no, null, ~, x]",
        "a: {b: [1, 2], c: 'x y'}",
        "- |\n  lines\n  of text\n",
        "",
        "# c",
    ],
)
def test_plain_values_are_read_as_the_safe_loader_reads_them(text: str) -> None:
    assert load(text) == yaml.safe_load(text)


def test_small_aliases_are_expanded() -> None:
    assert load("a: &a [1, 2]\nb: [*a, *a]") == {"a": [1, 2], "b": [[1, 2], [1, 2]]}


def test_dates_and_merge_keys_are_text() -> None:
    assert load("a: 2026-01-01\n<<: x\n") == {"a": "2026-01-01", "<<": "x"}


def bomb(levels: int = 30) -> str:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines)


REFUSED = {
    "alias bomb": (bomb(), 5, "with those that aliases repeat"),
    "recursion": ("x: 1\na: &a [*a]", 2, "inside of what it stands for"),
    "recursive key": ("a: &a {b: *a}", 1, "inside of what it stands for"),
    "nested": ("a:\n " + "[" * 100_000, 2, "deeper than 50"),
    "nested blocks": ("\n".join(" " * i + "a:" for i in range(200)), 51, "deeper than 50"),
    "long": ("\n".join(["- 1"] * (MOST_NODES + 1)), MOST_NODES, "more than 20,000"),
    "control": ("a: 1\nb: \x07", 2, "0x07 is not allowed"),
    "unhashable": ("a: 1\n? [1]\n: 2", 2, "is no key"),
    "mapping as key": ("{{a: 1}: 2}", 1, "is no key"),
    "date": ("a: !!timestamp 2026-01-01", 1, "timestamp is not read"),
    "object": ("a: 1\nb: !!python/object/apply:os.system [ls]", 2, "is not read"),
    "set": ("a: !!set {1, 2}", 1, "set is not read"),
    "binary": ("a: !!binary aGVsbG8=", 1, "binary is not read"),
    "no integer": ("a: !!int many", 1, "no int that can be read"),
    "no truth": ("a: !!bool perhaps", 1, "no bool"),
    "empty digits": ("a: 0b_", 1, "no int"),
    "long number": ("a: " + "9" * 5_000, 1, "no int"),
    "list of type text": ("a: !!str [1]", 1, "str is not read"),
    "unknown alias": ("a: *b", 1, "not YAML: found undefined alias"),
    "two documents": ("a: 1\n---\nb: 1", 2, "not YAML"),
    "open bracket": ("a: 1\nb: [1", 2, "not YAML"),
    "escape beyond Unicode": ('a: "\\UFFFFFFFF"', 0, "not YAML"),
    "version": ("%YAML 99999999999999999999999.1\n---\na", 1, "not YAML"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_plain_is_refused_with_its_line(what: str) -> None:
    """Mutant: yaml.safe_load expands the first for ever, and raises other errors for the rest."""
    text, line, words = REFUSED[what]
    with pytest.raises(YamlError, match=words) as caught:
        load(text)
    assert caught.value.line == line


@pytest.mark.parametrize("what", REFUSED)
def test_configurations_name_the_file_too(what: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(REFUSED[what][0])
    with pytest.raises(ConfigError, match=r"a\.yaml:"):
        read(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("content", "words"), [(b"a" * 1_000_001, "longer than 1,000,000 bytes"), (b"a: \xff", "UTF-8")]
)
def test_files_that_are_no_text_are_refused(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(YamlError, match=words):
        read_text(tmp_path / "a.yaml")
    with pytest.raises(ConfigError, match=words):
        read(tmp_path / "a.yaml")


PIECES = [
    *"{}[]:-?&*!|>'\"%@`,#\n\t \x00\x07\x85\ufeff",
    "&a ",
    "*a",
    "!!int ",
    "!!timestamp ",
    "- ",
    "? ",
    "<<: ",
    "=",
    "9" * 99,
]


def test_damaged_configurations_are_read_or_refused_by_name(tmp_path: Path) -> None:
    """Mutant: the first version fell at 165 of 700."""
    rng, path = random.Random(0), tmp_path / "a.yaml"
    for _ in range(400):
        text = CONFIG
        for _ in range(rng.randint(1, 4)):
            at, length = rng.randrange(len(text)), rng.choice([0, 0, 1, 5, 40])
            text = text[:at] + rng.choice(PIECES) * rng.choice([1, 1, 3]) + text[at + length :]
        path.write_text(text, encoding="utf-8", newline="")
        try:
            read(path)
        except ConfigError as error:
            assert str(path) in str(error)
