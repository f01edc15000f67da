"""Callbacks for `veridical.train(callbacks=...)`: the base class, and those that write the numbers elsewhere.

A callback of your own inherits from `Callback` and overrides what it needs:

    >>> class Print(Callback):
    ...     def on_log(self, state, row):
    ...         print(state.step, row)
"""

from veridical.training.fit import Callback, State
from veridical.training.logs import CsvLog, TensorBoardLog

__all__ = ["Callback", "CsvLog", "State", "TensorBoardLog"]
