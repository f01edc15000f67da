"""Images in the page: unchanged if they fit, otherwise recompressed or reduced, with a note."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image


_MOST_PIXELS = 50_000_000


@dataclass(frozen=True)
class Embedded:
    """An image in the page."""

    file: str
    """Path in the run directory."""

    uri: str
    """data: URI."""

    width: int
    height: int
    bytes: int
    """Size of the embedded image in bytes."""

    change: str
    """How the image differs from the file; empty if it is identical."""

    def to_json(self) -> dict[str, str | int]:
        """Return all fields except the image data."""
        return {
            "file": self.file,
            "width": self.width,
            "height": self.height,
            "bytes": self.bytes,
            "change": self.change,
        }


_END = b"IEND\xaeB`\x82"
"""Type and checksum of the last chunk of a PNG file."""


def embed(path: Path, most: int, side: int, folder: Path) -> Embedded:
    """Embed an image, recompressed or reduced if it is too large.

    Args:
        path: the image file.
        most: largest number of bytes.
        side: largest number of pixels of the longer side.
        folder: the run directory; the name in the page is relative to it.

    Raises:
        ValueError: the file is not a readable image.
    """
    from PIL import Image

    from veridical.data.unreadable import UNREADABLE

    raw = path.read_bytes()
    try:
        Image.open(io.BytesIO(raw)).verify()  # checksums, which decoding does not look at
        image = Image.open(io.BytesIO(raw))
        kind = image.format
        if image.width * image.height > _MOST_PIXELS:
            raise ValueError(f"it has {image.width} x {image.height} pixels, more than a page shows")
        image.load()
    except (*UNREADABLE, Image.DecompressionBombWarning) as error:
        raise ValueError(f"{path.name} is not a readable image: {error}.") from error
    name = path.relative_to(folder).as_posix()
    if kind == "PNG":
        raw = raw[: raw.rindex(_END) + len(_END)]  # what follows its last chunk is no part of the image
    if kind == "PNG" and len(raw) <= most and max(image.size) <= side:
        return Embedded(name, _uri("image/png", raw), *image.size, len(raw), "")
    mime, data, size = _squeeze(image, most, side)
    change = [f"{image.width}×{image.height} reduced to {size[0]}×{size[1]}"] if size != image.size else []
    change += ["recompressed as JPEG"] if mime == "image/jpeg" else []
    return Embedded(name, _uri(mime, data), *size, len(data), " and ".join(change))


def _squeeze(image: Image.Image, most: int, side: int) -> tuple[str, bytes, tuple[int, int]]:
    """Encode as PNG, or else as JPEG of decreasing quality, or else at a smaller size, until the image fits."""
    from PIL import Image

    flat = image.convert("L" if image.mode in ("1", "L", "I;16") else "RGB")
    share = min(1.0, side / max(flat.size))
    while True:
        size = (max(1, round(flat.width * share)), max(1, round(flat.height * share)))
        small = flat.resize(size, Image.Resampling.LANCZOS) if size != flat.size else flat
        data = _encode(small, "PNG", optimize=True)
        if len(data) <= most:
            return "image/png", data, size
        for quality in (90, 75, 60):
            data = _encode(small, "JPEG", quality=quality)
            if len(data) <= most or max(size) <= 16:
                return "image/jpeg", data, size
        share *= 0.8


def _encode(image: Image.Image, kind: str, **options: int | bool) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _uri(mime: str, data: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"


def spread(count: int, most: int) -> list[int]:
    """Return at most `most` evenly spaced indices, including the first and the last.

    Examples:
        >>> spread(5, 12), spread(40, 4)
        ([0, 1, 2, 3, 4], [0, 13, 26, 39])
    """
    if count <= most:
        return list(range(count))
    return [round(i * (count - 1) / (most - 1)) for i in range(most)]
