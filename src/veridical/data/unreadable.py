"""What Pillow raises on damaged files; a page of its own, so that the report reads images without numpy."""

import struct
import zlib

from PIL import Image

UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    ArithmeticError,
    LookupError,
    RuntimeError,
    TypeError,
    struct.error,
    zlib.error,
    MemoryError,
    Image.DecompressionBombError,
)
"""What Pillow raises on damaged files."""
