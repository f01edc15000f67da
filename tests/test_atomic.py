from dataclasses import replace
from pathlib import Path

import pytest

from veridical.atomic import remove_left_over, replacing, require_free, write_atomically
from veridical.errors import OutputExistsError
from veridical.process import Process


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


def test_left_overs_of_killed_processes_are_removed_and_nothing_else(tmp_path: Path) -> None:
    this = Process.this()
    gone, elsewhere = replace(this, number=2**22 + 1), replace(this, host="elsewhere")
    own, dead, running, far = (
        tmp_path / f".status.{process.token}.json"
        for process in (this, gone, replace(this, number=1, started=""), elsewhere)
    )
    folder, early = tmp_path / f".step-00000005.{gone.token}.tmp", tmp_path / f".status.{2**22 + 1}.json"
    mine = [tmp_path / name for name in (".notes.2024.txt", ".hidden", "status.json", f".own.{2**22 + 1}.json")]
    folder.mkdir()
    (folder / "inside").write_text("half")
    for file in (own, dead, running, far, early, *mine):
        file.write_text("")
    remove_left_over(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([running, far, *mine])
    assert not own.exists()


def test_a_lone_surrogate_is_written_as_its_number(tmp_path: Path) -> None:
    """As in a name read from JSON; it has no bytes in UTF-8."""
    write_atomically(tmp_path / "page.html", "a\ud800b")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "a\\ud800b"
