"""Base class of errors in a request; it decides the exit code. Imports nothing."""


class RequestError(Exception):
    """The request cannot be met: something does not exist, or an output exists already. The exit code is 2.

    Such errors also inherit from a standard exception. The exit code of all other errors is 1.
    """


class OutputExistsError(FileExistsError, RequestError):
    """Something is there already; nothing is overwritten."""
