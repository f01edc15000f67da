"""Base classes of errors: in a request, which decides the exit code, and in data; and words for errors of the system.

Imports nothing heavy.
"""

from __future__ import annotations

import errno


class RequestError(Exception):
    """The request cannot be met: something does not exist, or an output exists already. The exit code is 2.

    Such errors also inherit from a standard exception. The exit code of all other errors is 1.
    """


class DataError(ValueError):
    """The data cannot be used as they are.

    Args:
        problem: what was found and what is expected.
        remedy: what to do.

    Examples:
        >>> str(DataError("holdout is 2; expected a share.", "Pass 0.1."))
        'holdout is 2; expected a share. Pass 0.1.'
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem} {remedy}".strip())
        self.problem, self.remedy = problem, remedy


class OutputExistsError(FileExistsError, RequestError):
    """Something is there already; nothing is overwritten."""


STORAGE = {
    errno.ENOSPC: ("the disk is full", "Free some space"),
    errno.EDQUOT: ("your disk quota is used up", "Remove files that you no longer need"),
    errno.EFBIG: ("the limit on the size of a file is reached", "Raise it (ulimit -f unlimited)"),
    errno.EROFS: ("the disk cannot be written (it is read-only)", "Choose another place"),
    errno.EACCES: ("access is denied", "Change the permissions"),
    errno.EPERM: ("access is denied", "Change the permissions"),
    errno.EIO: ("the disk reports an error", "Check the disk"),
    errno.EMFILE: ("too many files are open", "Raise the limit (ulimit -n 4096)"),
    errno.ENFILE: ("too many files are open on this machine", "End other programs"),
    errno.ENAMETOOLONG: ("the name is too long", "Choose a shorter one"),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "Check the path"),
    errno.EISDIR: ("it is a folder, not a file", "Check the path"),
}
"""What an error of the system means, and what to do."""


def explain_storage(error: OSError) -> str:
    """Return what an error of the system means and what to do, as sentences; other messages are returned unchanged.

    Examples:
        >>> explain_storage(OSError(errno.ENOSPC, "No space left on device", "runs/x"))
        'runs/x: the disk is full. Free some space.'
        >>> explain_storage(FileNotFoundError("There is no set of that name."))
        'There is no set of that name.'
    """
    if error.errno not in STORAGE:
        return str(error)
    what, remedy = STORAGE[error.errno]
    return f"{'' if error.filename is None else f'{error.filename}: '}{what}. {remedy}."
