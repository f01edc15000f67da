"""HTML from a jinja2 template in which all values are escaped."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veridical.report.measured import draw_bar
from veridical.report.numbers import figures, interval

if TYPE_CHECKING:
    from markupsafe import Markup

FOLDER = Path(__file__).parent


def render(context: dict[str, Any]) -> str:
    """Fill the template; all values of the context are escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(FOLDER)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"figures": figures, "interval": interval}
    environment.filters |= {"flags": flags, "bar": draw_bar}
    css = (FOLDER / "style.css").read_text(encoding="utf-8")
    return environment.get_template("page.html.j2").render(**context, css=css)


def flags(text: str) -> Markup:
    """Mark commands in backticks and command line options in a text as code.

    Examples:
        >>> flags("Try <b> --r1 1, or --relativistic.")
        Markup('Try &lt;b&gt; <code>--r1 1</code>, or <code>--relativistic</code>.')
        >>> flags("Go on (`veridical resume RUN --steps N`).")
        Markup('Go on (<code>veridical resume RUN --steps N</code>).')
        >>> flags("Take (--precision fp32; slower).")
        Markup('Take (<code>--precision fp32</code>; slower).')
    """
    from markupsafe import Markup, escape

    number = r"[0-9]+(?:\.[0-9]+)?(?![\w])"
    code = rf"`([^`]+)`|(?<=\()(--[^();,]+)|(--[a-z][a-z0-9-]*(?:\.[a-z]+)*(?: {number})*)"
    return Markup(re.sub(code, lambda m: f"<code>{m[1] or m[2] or m[3]}</code>", str(escape(text))))
