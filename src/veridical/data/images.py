"""One image, of any format Pillow reads, to 8-bit grey or colour of a wanted side; every change has a sentence.

The conversions are fixed: 16 bits to 8 by rounding v/257 (or 255 v / (L-1) where L levels are stated), transparency
composited on black or white, the first frame of an animation, palettes and CMYK to RGB, embedded colour profiles to
sRGB, the EXIF orientation applied. Resizing is bicubic with antialiasing (the support of
the kernel grows with the reduction, as in Pillow).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from veridical import budget
from veridical.data.colour import profile_of, to_srgb

Fit = Literal["error", "crop", "pad", "stretch"]

_RUN_OTHER_PROGRAMS_OR_NO_IMAGE = {"EPS", "WMF", "MPEG", "HDF5", "GRIB", "BUFR", "FITS"}
_ORIENTATION = 0x0112  # EXIF tag; 5 to 8 exchange the sides
_EXIF_IN_PNG = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")
_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")
_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N", "I")
_LONGEST_SIDE = 500_000  # damaged headers state millions of rows, each of which costs time
_STRIP = 1 << 22  # pixels that are copied at a time


class Decoding(NamedTuple):
    """What every image becomes."""

    grey: bool = False
    size: int | None = None
    """Side; None: as it is."""

    fit: Fit = "error"
    background: str = "black"
    """Colour behind transparency."""

    white: int = 65535
    """The value of a 16-bit image that becomes 255."""


class Header(NamedTuple):
    """What the header of an image says, before any pixel is decoded."""

    size: tuple[int, int]
    """Width and height once the orientation is applied."""

    grey: bool
    """Stored without colour."""

    changes: tuple[str, ...]
    """What decoding will change, in words."""

    jpeg: bool = False
    """Stored with loss as JPEG, whose traces a model does not reproduce."""


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Suppress Pillow's warnings and log (odd EXIF), which name no file; failures raise errors.

    Pillow's own bound on pixels is replaced by that of `budget`, which can be raised.
    """
    pixels, log = Image.MAX_IMAGE_PIXELS, logging.getLogger("PIL")
    level = log.level
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        Image.MAX_IMAGE_PIXELS = None
        log.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = pixels
            log.setLevel(level)


def extensions() -> frozenset[str]:
    """Return the file name endings that are read as images, lower case with the dot."""
    known = Image.registered_extensions().items()
    readable = {ending for ending, kind in known if kind in Image.OPEN and kind not in _RUN_OTHER_PROGRAMS_OR_NO_IMAGE}
    return frozenset(readable)


def read_header(path: Path, decoding: Decoding | None = None) -> Header:
    """Read size, mode and changes of an image.

    Raises:
        OSError: and the others of `UNREADABLE`: not an image, or damaged.
    """
    with Image.open(path) as image:
        width, height = image.size
        if max(width, height) > _LONGEST_SIDE:
            raise ValueError(f"it has {width:,} x {height:,} pixels; a side of at most {_LONGEST_SIDE:,} is read")
        budget.require(memory_of(image), "it", path.stat().st_size)
        changes = _changes(image, decoding or Decoding())
        orientation = _orientation(image, path)
        if orientation in (5, 6, 7, 8):
            width, height = height, width
        if orientation in (2, 3, 4, 5, 6, 7, 8):
            changes.insert(0, "turned or mirrored as their EXIF orientation asks")
        return Header((width, height), _is_grey(image), tuple(changes), image.format in ("JPEG", "MPO"))


def decode(path: Path, decoding: Decoding) -> np.ndarray:
    """Decode an image to (C, H, W) uint8.

    Raises:
        OSError: and the others of `UNREADABLE`: not an image, or damaged.
    """
    with Image.open(path) as image, budget.reserve(memory_of(image), "it"):
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        flat = _in_mode(_eight_bit(to_srgb(image), decoding), "L" if decoding.grey else "RGB")
        return _pixels(fit_image(flat, decoding.size, decoding.fit))


def open_colour(file: IO[bytes], name: str) -> np.ndarray:
    """Decode a colour image to (H, W, 3) uint8.

    Raises:
        OSError: and the others of `UNREADABLE`: not an image, damaged, or larger than may be decoded.
    """
    with quiet_pillow(), Image.open(file) as image, budget.reserve(memory_of(image), name):
        return _pixels(_in_mode(image, "RGB")).transpose(1, 2, 0)


def memory_of(image: Image.Image) -> int:
    """Return the bytes that decoding an opened image needs, from what its header says: an upper bound.

    Pillow stores a pixel of any mode but grey in 4 bytes; every conversion makes a copy.
    """
    copies = 2 + (image.mode not in ("L", "RGB")) + ("icc_profile" in image.info)
    copies += 3 * (image.mode in _ALPHA or "transparency" in image.info)
    return 4 * copies * image.width * image.height


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)


def _pixels(image: Image.Image) -> np.ndarray:
    """Return an L or RGB image as (C, H, W) uint8, copied strip by strip: numpy would copy all of it twice."""
    channels = 1 if image.mode == "L" else 3
    x = np.empty((channels, image.height, image.width), np.uint8)
    for top, strip in _strips(image):
        x[:, top : top + strip.shape[0]] = strip[None] if channels == 1 else strip.transpose(2, 0, 1)
    return x


def _strips(image: Image.Image) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the rows of an image as arrays, some at a time, with the number of the first."""
    rows = max(1, _STRIP // max(1, image.width))
    for top in range(0, image.height, rows):
        whole = rows >= image.height
        yield top, np.asarray(image if whole else image.crop((0, top, image.width, min(top + rows, image.height))))


def fit_image(image: Image.Image, size: int | None, fit: Fit) -> Image.Image:
    """Resize to size x size: crop the longer side, pad the shorter with black, or stretch; None: as it is."""
    if size is None or image.size == (size, size):
        return image
    width, height = image.size
    bicubic = Image.Resampling.BICUBIC
    if fit == "crop":
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        return image.resize((size, size), bicubic, box=(left, top, left + side, top + side))
    if fit == "pad":
        side = max(width, height)
        inner = image.resize((max(1, round(width * size / side)), max(1, round(height * size / side))), bicubic)
        canvas = Image.new(image.mode, (size, size))
        canvas.paste(inner, ((size - inner.width) // 2, (size - inner.height) // 2))
        return canvas
    return image.resize((size, size), bicubic)


def fit_array(x: np.ndarray, size: int, fit: Fit) -> np.ndarray:
    """Resize (N, C, H, W) images, uint8 or float32, channel by channel, within the range they had.

    The kernel overshoots at edges; values are clamped to the smallest and largest of the input.
    """
    planes = x.reshape(-1, *x.shape[2:])
    resized = np.stack([np.asarray(fit_image(Image.fromarray(plane), size, fit)) for plane in planes])
    return np.clip(resized, x.min(), x.max()).reshape(*x.shape[:2], size, size)


def _is_grey(image: Image.Image) -> bool:
    if image.mode == "P":
        colours = np.array(image.getpalette("RGB") or [0, 0, 0]).reshape(-1, 3)
        return bool((colours == colours[:, :1]).all())
    return image.mode in ("1", "L", "LA", "La", "F", *_SIXTEEN_BITS)


def _orientation(image: Image.Image, path: Path) -> int:
    """Read the EXIF orientation; Pillow decodes a whole PNG for it, which is needed only where one is written."""
    if image.format == "PNG" and "exif" not in image.info:
        content = path.read_bytes()
        if not any(chunk in content for chunk in _EXIF_IN_PNG):
            return 1
    return image.getexif().get(_ORIENTATION, 1)


def _changes(image: Image.Image, decoding: Decoding) -> list[str]:
    mode, changes = image.mode, []
    if mode in _SIXTEEN_BITS:
        how = "v/257" if decoding.white == 65535 else f"255 v/{decoding.white}"
        changes.append(f"16 bits rounded to 8 ({how})")
    elif _is_deep_colour(image):
        changes.append("16-bit colour cut to its upper 8 bits")
    if mode in _ALPHA or "transparency" in image.info:
        changes.append(f"transparency composited on {decoding.background}")
    if mode in ("P", "PA"):
        changes.append("palette resolved")
    if mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        changes.append(f"{mode} converted to RGB")
    if profile_of(image) is not None:
        changes.append("embedded colour profile converted to sRGB")
    if getattr(image, "n_frames", 1) > 1:
        changes.append("first frame of an animation or a stack taken")
    return changes


def _is_deep_colour(image: Image.Image) -> bool:
    """Say whether Pillow cuts 16-bit channels to 8 while decoding, which shows in the raw mode alone."""
    tile = getattr(image, "tile", None)
    arguments = tile[0][3] if tile else ()
    raw_mode = arguments if isinstance(arguments, str) else next((a for a in arguments or () if isinstance(a, str)), "")
    return ";16" in raw_mode


def _eight_bit(image: Image.Image, decoding: Decoding) -> Image.Image:
    """Bring any mode to L or RGB."""
    if image.mode == "F":
        raise ValueError("floating-point images have no defined 8-bit values; store them as npy")
    if image.mode in _SIXTEEN_BITS:
        return _from_sixteen(image, decoding.white)
    if image.mode in _ALPHA or "transparency" in image.info:
        solid = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", solid.size, decoding.background), solid).convert("RGB")
    return image if image.mode in ("L", "RGB") else image.convert("L" if image.mode == "1" else "RGB")


def _from_sixteen(image: Image.Image, white: int) -> Image.Image:
    """Round the values of a 16-bit image to 8 bits, `white` becoming 255."""
    table = ((2 * 255 * np.arange(white + 1) + white) // (2 * white)).astype(np.uint8)
    x = np.empty((image.height, image.width), np.uint8)
    for top, values in _strips(image):
        low, high = int(values.min(initial=0)), int(values.max(initial=0))
        if low < 0 or high > 65535:
            raise ValueError("32-bit images have no defined 8-bit values; store them as npy")
        if high > white:
            raise ValueError(f"a value of {high} is above {white}, the largest of the stated levels")
        x[top : top + len(values)] = table[values]
    return Image.fromarray(x)
