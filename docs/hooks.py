"""Formulae as MathML when the pages are built, so that they need no script and no network."""

import html
import re
from typing import Any

from latex2mathml.converter import convert


def on_page_content(content: str, **_: Any) -> str:
    """Replace what arithmatex marked."""
    content = re.sub(
        r'<div class="arithmatex">\\\[(.*?)\\\]</div>',
        lambda match: f"<p>{convert(html.unescape(match[1]), display='block')}</p>",
        content,
        flags=re.DOTALL,
    )
    return re.sub(
        r'<span class="arithmatex">\\\((.*?)\\\)</span>',
        lambda match: convert(html.unescape(match[1])),
        content,
        flags=re.DOTALL,
    )
