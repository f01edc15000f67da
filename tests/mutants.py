"""Mutants: functions and methods with a mistake planted in their source, which a test must find."""

import inspect
import sys
import textwrap
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import pytest


def mutated(function: Callable[..., Any], before: str, after: str) -> Callable[..., Any]:
    """Return a function with a part of its source replaced, among the names of its module.

    Examples:
        >>> from veridical.verdict import far_short
        >>> mutated(far_short, "<", ">")(1.0, None, 1.0)
        True
    """
    source = textwrap.dedent(inspect.getsource(function))
    assert before in source
    namespace = dict(vars(sys.modules[function.__module__]))
    exec(source.replace(before, after), namespace)
    return namespace[function.__name__]


def is_noticed(
    check: Callable[[], None], monkeypatch: pytest.MonkeyPatch, owner: Any, function: str, before: str, after: str
) -> None:
    """Assert that a check fails with a part of a function replaced.

    Args:
        check: passes with the function as it is; the name is replaced in its module too, if it is imported there.
        monkeypatch: undoes the mistake.
        owner: module or class of the function.
        function: its name.
        before: a part of its source.
        after: what stands there instead.
    """
    right = getattr(owner, function)
    wrong = mutated(right, before, after)
    monkeypatch.setattr(owner, function, wrong)
    if check.__globals__.get(function) is right:
        monkeypatch.setitem(check.__globals__, function, wrong)
    with pytest.raises(AssertionError):
        check()


def plant(monkeypatch: pytest.MonkeyPatch, module: ModuleType, before: str, after: str, *users: ModuleType) -> Any:
    """Replace a part of a module's source, for the module itself and for modules that import from it.

    Tables of functions are made anew, so that they hold the mistake too.

    Args:
        monkeypatch: undoes it.
        module: with the mistake.
        before: a part of its source that occurs once.
        after: what stands there instead.
        users: modules whose names are replaced where they come from the module.

    Returns:
        The namespace of the module with the mistake, by attribute.
    """
    source = inspect.getsource(module)
    assert source.count(before) == 1, f"{source.count(before)} times: {before}"
    wrong = ModuleType(module.__name__)
    wrong.__dict__.update({name: value for name, value in vars(module).items() if name.startswith("__")})
    exec(compile(source.replace(before, after), module.__file__ or "", "exec"), wrong.__dict__)
    own = {id(value): vars(wrong)[name] for name, value in vars(module).items() if name in vars(wrong)}
    for user in users:
        for name, value in [(n, v) for n, v in vars(user).items() if not n.startswith("__")]:
            if isinstance(value, partial) and id(value.func) in own:
                monkeypatch.setattr(user, name, partial(own[id(value.func)], *value.args, **value.keywords))
            elif id(value) in own:
                monkeypatch.setattr(user, name, own[id(value)])
    return wrong
