import numpy as np
import pytest

from veridical.data.classes import class_number, in_order, numbered
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


def test_a_name_that_is_a_number_counts_as_a_name() -> None:
    assert class_number("3", 3, ("1", "2", "3")) == 2
