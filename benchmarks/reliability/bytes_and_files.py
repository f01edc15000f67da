"""Well-formed files of many formats, and ways to damage their bytes."""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

EDGES = (0, 1, 0x7F, 0x80, 0xFF)


def damage(content: bytes, luck: random.Random, most: int = 4) -> bytes:
    """Return the content after one to `most` random edits."""
    edited = bytearray(content)
    for _ in range(luck.randint(1, most)):
        luck.choice(EDITS)(edited, luck)
    return bytes(edited)


def _flip(b: bytearray, luck: random.Random) -> None:
    if b:
        b[luck.randrange(len(b))] ^= 1 << luck.randrange(8)


def _flip_early(b: bytearray, luck: random.Random) -> None:
    if b:
        b[luck.randrange(min(len(b), 64))] ^= 1 << luck.randrange(8)


def _edge(b: bytearray, luck: random.Random) -> None:
    if b:
        b[luck.randrange(len(b))] = luck.choice(EDGES)


def _word(b: bytearray, luck: random.Random) -> None:
    """Overwrite four bytes by an extreme number, in either order of bytes."""
    if len(b) > 4:
        at = luck.randrange(min(len(b) - 4, 200))
        b[at : at + 4] = struct.pack(luck.choice("<>") + "I", luck.choice((0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1)))


def _cut(b: bytearray, luck: random.Random) -> None:
    del b[luck.randrange(len(b) + 1) :]


def _remove(b: bytearray, luck: random.Random) -> None:
    at = luck.randrange(len(b) + 1)
    del b[at : at + luck.randint(1, 16)]


def _insert(b: bytearray, luck: random.Random) -> None:
    at = luck.randrange(len(b) + 1)
    b[at:at] = luck.randbytes(luck.randint(1, 16))


def _repeat(b: bytearray, luck: random.Random) -> None:
    at = luck.randrange(len(b) + 1)
    b[at:at] = b[at : at + luck.randint(1, 64)] * luck.randint(1, 8)


def _blank(b: bytearray, luck: random.Random) -> None:
    at = luck.randrange(len(b) + 1)
    size = min(luck.randint(1, 64), len(b) - at)
    b[at : at + size] = bytes([luck.choice(EDGES)]) * size


def _append(b: bytearray, luck: random.Random) -> None:
    b += luck.randbytes(luck.randint(1, 64))


EDITS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip,
    _flip_early,
    _edge,
    _word,
    _cut,
    _remove,
    _insert,
    _repeat,
    _blank,
    _append,
)


@cache
def images() -> list[tuple[str, bytes]]:
    """Return small images in every common format and mode: ending, content."""
    from PIL import Image

    rng = np.random.default_rng(0)
    colour = Image.fromarray(rng.integers(0, 256, (9, 8, 3), np.uint8))
    found: list[tuple[str, bytes]] = []

    def add(ending: str, image: Any, kind: str, **options: Any) -> None:
        content = io.BytesIO()
        image.save(content, kind, **options)
        found.append((ending, content.getvalue()))

    exif = Image.Exif()
    exif[0x0112] = 6
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        add("png", colour.convert(mode), "PNG")
    add("png", Image.fromarray(rng.integers(0, 65536, (8, 8)).astype(np.uint16)), "PNG")
    add("png", colour.convert("P"), "PNG", transparency=3)
    add("png", colour, "PNG", exif=exif)
    for mode in ("L", "RGB", "CMYK"):
        add("jpg", colour.convert(mode), "JPEG")
    add("jpeg", colour, "JPEG", progressive=True, exif=exif)
    add("webp", colour, "WEBP")
    add("webp", colour.convert("RGBA"), "WEBP", lossless=True)
    add("gif", colour.convert("P"), "GIF")
    add("gif", colour.convert("P"), "GIF", save_all=True, append_images=[colour.convert("L").convert("P")] * 2)
    for compression in (None, "tiff_lzw", "tiff_deflate", "packbits", "jpeg"):
        add("tif", colour, "TIFF", compression=compression)
    add("tiff", Image.fromarray(rng.normal(size=(8, 8)).astype(np.float32)), "TIFF")
    for mode in ("1", "L", "P", "RGB"):
        add("bmp", colour.convert(mode), "BMP")
    for ending, kind in (("ppm", "PPM"), ("tga", "TGA"), ("ico", "ICO"), ("pcx", "PCX"), ("dds", "DDS")):
        add(ending, colour, kind)
    return found


def png_of(width: int, height: int, colour: int, body: bytes) -> bytes:
    """Return a PNG that declares a size, with correct checksums, whatever its compressed body holds."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@cache
def bomb(kind: str) -> bytes:
    """Return a small file that asks for gigabytes once it is decoded."""
    if kind == "png":
        packer = zlib.compressobj(9)
        row = bytes(13_300 * 3 + 1)
        return png_of(13_300, 13_300, 2, b"".join(packer.compress(row) for _ in range(13_300)) + packer.flush())
    if kind == "idx.gz":
        head = gzip.compress(bytes((0, 0, 8, 3)) + struct.pack(">III", 8_000_000, 28, 28), mtime=0)
        whole, rest = divmod(8_000_000 * 784, 2**26)
        block = gzip.compress(bytes(2**26), mtime=0)
        return head + block * whole + gzip.compress(bytes(rest), mtime=0)
    if kind == "npz":
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            with archive.open("x.npy", "w", force_zip64=True) as file:
                file.write(npy_header("|u1", (2**23, 100)))
                for _ in range(100):
                    file.write(bytes(2**23))
        return content.getvalue()
    raise ValueError(kind)


DESCRIPTIONS = ("|u1", "<f4", "<f8", "<i8", ">f4", ">i2", "|b1", "<f2", "<f16", "<c8", "<c32", "<M8[s]", "<m8", "<U3")
DESCRIPTIONS += ("|S4", "|V3", "|O", "<u8", "|i1", "<f3", "|U0", "|S0", "|V0", "nonsense", "", "<M8", "|u9", "=f4")
STRUCTURED = ([("a", "<f4"), ("b", "|u1")], [("x", "|O")], [], [("a", "<f4", (2,))], [("a", [("b", "<i4")])])
SHAPES: tuple[Any, ...] = ((12, 2), (6, 8, 8), (6, 3, 8, 8), (24,), (), (0,), (0, 2), (12, 0), (1, 1), (2, 1, 1, 1, 1))
SHAPES += ((2**40, 2**20), (2**31, 4), (-1, 2), (-3,), (12, 2.0), (True, 2), (1,) * 33, (1,) * 70, (2**63, 1), 12)


def npy_header(description: Any, shape: Any, order: Any = False, text: str | None = None) -> bytes:
    """Return the start of an npy file that declares a type and a shape."""
    text = text or repr({"descr": description, "fortran_order": order, "shape": shape})
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) % 65536) + text.encode("utf-8")


def npy(luck: random.Random) -> bytes:
    """Return an npy file: often of an odd type, an odd shape, or a body that does not fit them."""
    usual = luck.random() < 0.5
    if luck.random() < 0.3:
        return damage(_saved(luck), luck)
    if luck.random() < 0.3:
        return _saved(luck)
    description: Any = luck.choice(DESCRIPTIONS[:8] if usual else DESCRIPTIONS)
    if luck.random() < 0.1:
        description = luck.choice(STRUCTURED)
    shape = luck.choice(SHAPES[:4] if luck.random() < 0.5 else SHAPES)
    head = npy_header(description, shape, luck.choice((False, True, False, 1, None)))
    if luck.random() < 0.1:
        odd = (
            "{",
            "[]",
            "{'descr': '<f4'}",
            "{'descr': " * 500,
            "(" * 3000,
            "{'shape': (1,), 'descr': '<f4', 'x': 0}",
            "",
        )
        head = npy_header(None, None, text=luck.choice(odd) or " ")
    return head + luck.randbytes(luck.choice((0, 7, 96, 192, 1152, 1536, 4608)))


def _saved(luck: random.Random) -> bytes:
    content = io.BytesIO()
    np.save(content, array(luck), allow_pickle=False)
    return content.getvalue()


def array(luck: random.Random) -> np.ndarray:
    """Return a small array, often with odd numbers in it."""
    rng = np.random.default_rng(luck.getrandbits(32))
    shape = luck.choice(
        ((12, 2), (30, 2), (6, 8, 8), (30, 8, 8), (6, 8, 8, 3), (6, 3, 8, 8), (12, 1), (30, 5), (1, 2), (9,))
    )
    kind = luck.choice(("f4", "f8", "u1", "i8", "b1", "f2", "u2", "c8", "f16", "i1", "S2", "U2"))
    values: np.ndarray = rng.normal(size=shape) * 50
    special = luck.choice((None, None, np.nan, np.inf, -np.inf, 0.0, 1e300, -1e-300, 255.0, 1.0))
    if special is not None:
        values[rng.random(shape) < luck.choice((0.01, 0.5, 1.1))] = special
    with np.errstate(all="ignore"):
        return values.astype(kind)


def npz(luck: random.Random) -> bytes:
    """Return an npz file with known and unknown members, some of which are not arrays."""
    names = ("x", "y", "images", "labels", "data", "class_names", "classes", "packed", "size", "x_train", "y_train")
    names += ("x_test", "y_test", "coupling", "X", "../x", " ", "x/y", "K" * 300, "metadata")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", luck.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        first = luck.choice(("x", "x", "images", "data", "packed", "x_train", luck.choice(names)))
        chosen = dict.fromkeys([first, *luck.sample(names, luck.randint(0, 4))])
        for name in chosen:
            body = _saved(luck) if luck.random() < 0.6 else npy(luck) if luck.random() < 0.8 else luck.randbytes(40)
            archive.writestr(name + luck.choice((".npy", ".npy", ".npy", "", ".txt")), body)
    return content.getvalue() if luck.random() < 0.7 else damage(content.getvalue(), luck)


CELLS = (
    "1",
    "0.5",
    "-3",
    "nan",
    "inf",
    "1e400",
    "",
    " ",
    "x",
    "0x10",
    "1_000",
    "٣",
    "²",
    "\0",
    '"',
    '"a,b"',
    "1" * 400,
    "y",
    "-",
)
CELLS += ("None", "True", "1e-320", "\ufeff1", "1;2", "=1+1", "'", "1,2", "\x85", "\u2028", "9" * 19, "-0")


def csv(luck: random.Random) -> bytes:
    """Return a table, often with odd cells, uneven rows or another encoding."""
    separator = luck.choice(",,,;\t")
    width, length = luck.randint(1, 5), luck.choice((0, 1, 2, 12, 40))
    odd = luck.choice((0.0, 0.02, 0.3))

    def cell() -> str:
        return luck.choice(CELLS) if luck.random() < odd else f"{luck.uniform(-9, 9):.3f}"

    rows = [separator.join(cell() for _ in range(width + (luck.random() < odd / 4))) for _ in range(length)]
    if luck.random() < 0.5:
        rows.insert(0, separator.join(luck.choice(("x", "y", "label", "class", "a", "", '"')) for _ in range(width)))
    text = luck.choice(("\n", "\r\n", "\r")).join(rows) + luck.choice(("", "\n", "\n\n"))
    content = text.encode(luck.choice(("utf-8", "utf-8", "utf-16", "utf-8-sig", "latin-1")), "replace")
    return content if luck.random() < 0.7 else damage(content, luck)


def idx(luck: random.Random) -> bytes:
    """Return an idx file, perhaps compressed, often with a header that does not fit."""
    shape = luck.choice(
        ((12, 8, 8), (30, 8, 8), (12,), (0, 8, 8), (12, 0, 8), (2**32 - 1, 8, 8), (2**31, 2**31, 4), (3, 2, 2, 2))
    )
    content = bytes((0, 0, luck.choice((8, 8, 8, 8, 9, 13)), len(shape))) + struct.pack(f">{len(shape)}I", *shape)
    content += luck.randbytes(int(np.prod(shape)) if max(shape) < 99 else 100)
    if luck.random() < 0.4:
        content = damage(content, luck)
    if luck.random() < 0.5:
        content = gzip.compress(content, mtime=0)
    return content if luck.random() < 0.7 else damage(content, luck)


def archive(luck: random.Random) -> bytes:
    """Return a tar.gz in the form of MNIST or CIFAR-10, damaged."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for split in ("train", "t10k"):
            for kind, head in (("images-idx3-ubyte", (6, 8, 8)), ("labels-idx1-ubyte", (6,))):
                body = bytes((0, 0, 8, len(head))) + struct.pack(f">{len(head)}I", *head) + bytes(int(np.prod(head)))
                body = body if luck.random() < 0.8 else damage(body, luck)
                info = tarfile.TarInfo(luck.choice(("package/", "", "../../", "/etc/")) + f"{split}-{kind}")
                info.size = len(body)
                info.type = luck.choice((tarfile.REGTYPE, tarfile.REGTYPE, tarfile.REGTYPE, tarfile.SYMTYPE))
                info.linkname = "/etc/passwd"
                tar.addfile(info, io.BytesIO(body))
    return content.getvalue() if luck.random() < 0.5 else damage(content.getvalue(), luck)


@cache
def _tensors() -> list[bytes]:
    import torch

    x = torch.randn(12, 2)
    held = [
        x,
        (x, torch.zeros(12)),
        {"x": x, "y": torch.ones(12)},
        {"a": x},
        [x],
        3,
        {"x": 1},
        x.to_sparse(),
        x.to(torch.complex64),
    ]
    held += [
        x.bfloat16(),
        torch.zeros(0),
        torch.tensor(1.0),
        {"x": x.expand(3, 12, 2)},
        {"x": torch.empty(12, 2, device="meta")},
    ]
    found = []
    for value in held:
        for old in (False, True):
            content = io.BytesIO()
            try:
                torch.save(value, content, _use_new_zipfile_serialization=not old)
            except (RuntimeError, NotImplementedError):
                continue
            found.append(content.getvalue())
    return found


def tensors(luck: random.Random) -> bytes:
    """Return a file of torch.save, often damaged."""
    content = luck.choice(_tensors())
    return content if luck.random() < 0.4 else damage(content, luck)


def edit_json(text: str, luck: random.Random) -> str:
    """Return JSON after an edit that still parses: a key removed or renamed, a value of another type or size."""
    try:
        value = json.loads(text)
    except ValueError:
        return text[: len(text) // 2]
    for _ in range(luck.randint(1, 3)):
        place = value
        while isinstance(place, dict | list) and place and luck.random() < 0.75:
            key = luck.choice(list(place)) if isinstance(place, dict) else luck.randrange(len(place))
            if not isinstance(place[key], dict | list) or luck.random() < 0.3:
                _change(place, key, luck)
                break
            place = place[key]
    if luck.random() < 0.05:
        value = luck.choice(([], None, 3, "x", {}, [value]))
    return json.dumps(value)


VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1,
    2**31,
    2**63,
    1e308,
    -0.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\0",
    [],
    {},
    [1],
)
VALUES += ("<script>", "../../x", {"a": {}}, [[]], 10**400, "\ud800", "é" * 100)


def _change(place: Any, key: Any, luck: random.Random) -> None:
    how = luck.random()
    if how < 0.3:
        del place[key]
    elif how < 0.4 and isinstance(place, dict):
        place[str(key) + "_"] = place.pop(key)
    elif how < 0.5 and isinstance(place[key], int | float):
        place[key] = place[key] + luck.choice((-1, 1, 0.5))
    else:
        place[key] = luck.choice(VALUES)
