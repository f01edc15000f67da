import numpy as np
import pytest

from veridical.data.classes import as_labels, class_number, in_order, numbered
from veridical.data.errors import DataError


def test_numbers_in_names_count_by_value() -> None:
    names = [str(i) for i in range(12)]
    assert in_order(reversed(names)) == names
    assert in_order(["b2", "b10", "a", "B1"]) == ["B1", "a", "b2", "b10"]
    assert in_order(["01", "1", "001"]) == ["001", "01", "1"]  # equal numbers: always the same order


def test_text_becomes_numbers() -> None:
    labels, names = numbered(np.array(["dog", "cat", "dog"]))
    assert labels.tolist() == [1, 0, 1] and names == ("cat", "dog")
    with pytest.raises(DataError, match="float values"):
        numbered(np.array(["a", 1.5], dtype=object))


def test_a_class_is_found_by_name_or_number() -> None:
    names = ("cat", "dog")
    assert [class_number(label, 2, names) for label in ("dog", "1", 0)] == [1, 1, 0]
    with pytest.raises(DataError, match="Did you mean 'dog'"):
        class_number("dgo", 2, names)
    with pytest.raises(DataError, match="0 to 1"):
        class_number("2", 2)


def test_without_classes_a_label_is_refused_for_that_reason() -> None:
    with pytest.raises(DataError, match="no class '3': the data have no labels"):
        class_number("3", 0)


def test_a_name_that_is_a_number_counts_as_a_name() -> None:
    assert class_number("3", 3, ("1", "2", "3")) == 2


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.array([0, 10**12]), "below 1,000,000"),
        (np.array([0, 2**63], np.uint64), "largest|smallest"),
        (np.array([b"a", b"\xff"]), "no text"),
        (np.frombuffer(b"\xff\xff\xff\xff", "<U1"), "no text"),
        (np.array(3), "single value"),
    ],
)
def test_labels_that_number_no_classes_are_refused(labels: np.ndarray, words: str) -> None:
    with pytest.raises(DataError, match=words):
        as_labels(labels, 2, "it")


@pytest.mark.parametrize("kind", [">i8", "<f2", np.longdouble, ">u2", bool])
def test_labels_of_every_type_of_number_are_read(kind) -> None:
    """Mutant: torch refuses other byte orders and long doubles."""
    labels, names = as_labels(np.array([0, 1]).astype(kind), 2, "it")
    assert labels is not None and labels.flatten().tolist() == [0, 1] and names is None


def test_numbers_of_any_length_are_sorted_by_value() -> None:
    """Mutant: `int` refuses texts of more than 4,300 digits."""
    assert in_order(["a" + "9" * 5_000, "a1", "a" + "1" * 5_000]) == ["a1", "a" + "1" * 5_000, "a" + "9" * 5_000]
