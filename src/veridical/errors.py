"""The kind of mistake, which decides the exit code. Imports nothing."""


class RequestError(Exception):
    """What was asked for does not exist, or is taken: the request must change. The command line exits with 2.

    Errors inherit from it beside their own kind; everything else that goes wrong exits with 1.
    """


class OutputExistsError(FileExistsError, RequestError):
    """Something is there already; nothing is overwritten."""
