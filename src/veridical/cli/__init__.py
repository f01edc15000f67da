"""The command line: one module per command; each parses options and calls one library function.

Exit codes: 0 success, 1 failure, 2 wrong usage (also: an input does not exist, or the output exists already), 130
interrupted. A traceback is shown only with --debug.
"""

from __future__ import annotations

import importlib
import sys
import traceback

from veridical.errors import RequestError, explain_storage
from veridical.nearest import did_you_mean, nearest

COMMANDS = {
    "train": "train a model on your data, or on a built-in data set",
    "resume": "continue a run where it stopped",
    "sample": "draw samples from a trained model",
    "encode": "write the codes of images, arrays or training examples",
    "interpolate": "show examples on the way between the codes of others",
    "export": "write a sampler that works without veridical",
    "evaluate": "measure a model, or a folder of images, against real data",
    "latent-dim": "find the smallest dimension of codes that restores images",
    "runs": "list runs: state, step, verdict, age",
    "report": "write an HTML report about one or more runs",
    "ising": "sample, solve and check the Ising model",
    "experiment": "run a documented experiment: figures, numbers, verdict",
    "data": "list, download and check data",
    "config": "show and validate configurations",
    "doctor": "check the installation and show the device in use",
    "cite": "print the papers to cite for a run",
}
"""Every command with a description; the module of a command `some-name` is `veridical.cli.some_name`."""


class UsageError(RequestError):
    """The command line is wrong; exit code 2."""


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if arguments[0] in ("-V", "--version"):
        from veridical.version import __version__

        print(f"veridical {__version__}")
        return 0
    command = arguments[0]
    if command.startswith("-") and (close := nearest(command, ("--help", "--version", "--debug"))):
        print(f"veridical: there is no option {command}. Did you mean {close}?", file=sys.stderr)
        return 2
    if command not in COMMANDS:
        print(f"veridical: there is no command {command!r}. {_instead(command)}", file=sys.stderr)
        return 2
    return _guarded(command, arguments[1:], debug)


def _instead(command: str) -> str:
    """Return the nearest command, the training of a preset of that name, or all commands."""
    if nearest(command, COMMANDS) is None:
        from veridical.config.families.table import FAMILIES
        from veridical.config.presets import PRESETS

        preset = nearest(command, [*PRESETS, *FAMILIES])
        if preset is not None:
            return f"Did you mean veridical train {preset} --data NAME?"
    return did_you_mean(command, COMMANDS)


def _guarded(command: str, arguments: list[str], debug: bool) -> int:
    """Run a command; print errors as one sentence and return the exit code."""
    try:
        module = importlib.import_module(f"veridical.cli.{command.replace('-', '_')}")
        return module.run(arguments) or 0
    except SystemExit as exit:  # the parser: help, or wrong usage
        return exit.code if isinstance(exit.code, int) else 0 if exit.code is None else 2
    except KeyboardInterrupt as error:
        print(f"\n{error}" if str(error) else "\nInterrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as error:
        if debug:
            traceback.print_exc()
        print(f"veridical {command}: {explain(error)}", file=sys.stderr)
        if not debug and unexpected(error):
            print("This may be a bug in veridical; run again with --debug to see the traceback.", file=sys.stderr)
        return 2 if isinstance(error, RequestError) else 1


def unexpected(error: Exception) -> bool:
    """Return whether an error is not one that the library raises on purpose."""
    expected = isinstance(error, (ValueError, OSError, ArithmeticError)) or out_of_memory(error)
    return not expected and not type(error).__module__.startswith("veridical")


def out_of_memory(error: Exception) -> bool:
    """Return whether an error is that memory could not be allocated, of Python, numpy or torch."""
    words = ("can't allocate memory", "not enough memory", "out of memory")
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(w in str(error) for w in words))


def explain(error: Exception) -> str:
    """Return the message that is printed for an error."""
    if out_of_memory(error):
        return "there is not enough memory. Choose a smaller batch, network, size or number of samples."
    if isinstance(error, OSError):
        return explain_storage(error)
    return str(error) if not unexpected(error) else f"{type(error).__name__}: {error}"


def overview() -> str:
    """Return the text of `veridical --help`."""
    lines = "\n".join(f"  {name:<10} {what}" for name, what in COMMANDS.items())
    return (
        "veridical: generative models, measured against the truth\n\n"
        "usage: veridical COMMAND [options]      (veridical COMMAND --help shows its options)\n\n"
        f"commands:\n{lines}\n\n"
        "options:\n  --help     this text\n  --version  the version\n"
        "  --debug    show the traceback of an error (any command)\n\n"
        "first steps:\n"
        "  veridical train gan --data fashion-mnist-10k\n"
        "  veridical evaluate runs/0000-gan-fashion-mnist-10k\n"
        "  veridical report runs/0000-gan-fashion-mnist-10k"
    )
