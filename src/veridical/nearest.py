"""The valid name closest to a misspelt one. Imports nothing heavy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """Return the valid name closest to a misspelt one, ignoring case; None if none is close.

    A name that begins with the given text counts as close, so abbreviations are found too.

    Examples:
        >>> nearest("VAE", ["gan", "vae"]), nearest("hinj", ["minimax", "hinge"]), nearest("lst", ["list", "get"])
        ('vae', 'hinge', 'list')
        >>> nearest("--verson", ["--version", "--help"]), nearest("fashion", ["digits", "fashion-mnist-10k"])
        ('--version', 'fashion-mnist-10k')
        >>> nearest("zzz", ["gan", "vae"])
    """
    folded: dict[str, str] = {}
    for choice in valid:
        folded.setdefault(_fold(choice), choice)
    close = difflib.get_close_matches(_fold(name), folded, n=1, cutoff=0.6)
    if not close and len(name) > 2:
        close = [choice for choice in folded if choice.startswith(_fold(name))]
    return folded[close[0]] if close else None


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """Return a sentence that names the closest valid name, or else all valid names.

    Examples:
        >>> did_you_mean("VAE", ["gan", "vae"])
        'Did you mean vae?'
        >>> did_you_mean("zzz", ["gan", "vae"])
        'Expected one of: gan, vae.'
    """
    valid = list(valid)
    close = nearest(name, valid)
    return f"Did you mean {close}?" if close else f"Expected one of: {', '.join(valid)}."


def _fold(name: str) -> str:
    return name.lower().replace("_", "-")
