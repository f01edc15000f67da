from pathlib import Path

import pytest

from veridical.atomic import replacing, write_atomically


def test_the_old_file_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    write_atomically(file, "old")
    with replacing(file) as beside:
        beside.write_text("new")
        assert file.read_text() == "old" and beside.suffix == ".json"
    assert file.read_text() == "new" and list(tmp_path.iterdir()) == [file]


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    with pytest.raises(RuntimeError), replacing(file) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
