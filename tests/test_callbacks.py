"""The public room of callbacks: the names it promises, and that they are those of the loop."""

import veridical
from veridical import callbacks
from veridical.training import fit, logs


def test_the_names_are_those_of_the_loop_and_its_logs() -> None:
    assert set(callbacks.__all__) == {"Callback", "CsvLog", "State", "TensorBoardLog"}
    assert callbacks.Callback is fit.Callback and callbacks.State is fit.State
    assert issubclass(callbacks.CsvLog, callbacks.Callback) and callbacks.CsvLog is logs.CsvLog
    assert issubclass(callbacks.TensorBoardLog, callbacks.Callback)
    assert veridical.callbacks is callbacks
