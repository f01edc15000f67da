import json
import math

from veridical.health import Episode, NonFinite
from veridical.health.monitor import History, finite


def run(episode: Episode, marks: str, every: int = 1) -> list[int]:
    """Feed a string of b(ad), c(lear) and -(neither); return the indices where it speaks."""
    return [i for i, m in enumerate(marks) if episode.update(i * every, bad=m == "b", clear=m == "c")]


def test_episode_speaks_once_when_the_condition_lasted() -> None:
    assert run(Episode(rows=3), "ccbbbbbbb") == [4]


def test_episode_forgets_a_condition_that_was_interrupted() -> None:
    assert run(Episode(rows=3), "bbcbb-bb") == []


def test_episode_speaks_again_only_after_it_was_clear_as_long() -> None:
    assert run(Episode(rows=2), "bb" + "cb" + "cc" + "bb") == [1, 7]
    assert run(Episode(rows=2), "bb" + "--" + "bb") == [1]


def test_episode_counts_steps_as_well_as_rows() -> None:
    assert run(Episode(rows=2, steps=100), "b" * 20, every=10) == [10]
    assert run(Episode(rows=2, steps=100), "b" * 20, every=500) == [1]


def test_history_skips_the_first_row_and_takes_the_median_of_the_next() -> None:
    history = History(early=3, recent=2)
    for value in (1000.0, 5.0, 1.0):
        history.push(value)
        assert history.reference is None
    history.push(3.0)
    assert history.reference == 3.0
    history.push(99.0)
    assert history.reference == 3.0
    assert history.recent == [3.0, 99.0]
    assert history.level(2) == 51.0


def test_finite_takes_numbers_only() -> None:
    row = {"a": 1, "b": 2.5, "c": math.nan, "d": math.inf, "e": None, "f": "1", "g": True}
    assert [finite(row, term) for term in "abcdefgh"] == [1.0, 2.5, None, None, None, None, None, None]


def test_state_is_json_and_restores_the_monitor() -> None:
    monitor, twin = NonFinite(), NonFinite()
    assert monitor.observe({"step": 1, "model/loss": math.nan}) is not None
    twin.load(json.loads(json.dumps(monitor.state())))
    assert twin.observe({"step": 2, "model/loss": math.nan}) is None
    assert twin.state() == monitor.state()
