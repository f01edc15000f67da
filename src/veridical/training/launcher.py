"""Processes that the program starts for a training end with the first one.

A process that was killed cannot tell the others. They would wait for it in a collective operation, or for the group to
form, for half an hour or longer. torchrun and SLURM end the processes that they started; the launcher of Lightning
Fabric, which runs inside the first process, dies with it.
"""

from __future__ import annotations

import os
import threading
import time

LAUNCHER = "VERIDICAL_LAUNCHER"
"""Variable that contains the number of the first process."""

PAUSE_SECONDS = 0.5


def end_with_launcher() -> None:
    """In the first process, record its number for those that it starts; in those, end when it has ended."""
    if "TORCHELASTIC_RUN_ID" in os.environ or "SLURM_PROCID" in os.environ:
        return
    first = os.environ.get(LAUNCHER)
    if first is None or os.environ.get("LOCAL_RANK", "0") == "0":
        os.environ[LAUNCHER] = str(os.getpid())
        return
    threading.Thread(target=_wait_for_end, args=(int(first),), name="launcher-observer", daemon=True).start()


def _wait_for_end(first: int) -> None:
    """End this process once its parent is another than the first process, which has then ended."""
    while os.getppid() == first:
        time.sleep(PAUSE_SECONDS)
    os._exit(1)
