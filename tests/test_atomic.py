from pathlib import Path

import pytest

from veridical.atomic import replacing, require_free, write_atomically
from veridical.errors import OutputExistsError


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


def test_an_empty_folder_is_free_and_all_else_that_exists_is_not(tmp_path: Path) -> None:
    require_free(tmp_path / "nothing")
    (tmp_path / "folder").mkdir()
    require_free(tmp_path / "folder")
    (tmp_path / "folder" / "own").write_text("mine")
    for taken in (tmp_path / "folder", tmp_path / "folder" / "own"):
        with pytest.raises(OutputExistsError, match=f"{taken} exists already; nothing is overwritten. Take another"):
            require_free(taken, "Take another.")
