"""Callbacks for `veridical.train(callbacks=...)`: the base class, a CSV log and a TensorBoard log.

To write a callback, inherit from `Callback` and override the methods that you need:

    >>> class Print(Callback):
    ...     def on_log(self, state, row):
    ...         print(state.step, row)
"""

from veridical.training.fit import Callback, State
from veridical.training.logs import CsvLog, TensorBoardLog

__all__ = ["Callback", "CsvLog", "State", "TensorBoardLog"]
