"""Whether a picture's file holds the picture and nothing else."""

import io

from PIL import Image as Pillow
from PIL import JpegImagePlugin

_HARMLESS = frozenset({"transparency", "gamma", "srgb", "interlace", "progressive", "progression"})
"""What Pillow says of a file that is part of how it looks or is stored."""


def bare(data: bytes) -> bool:
    """No EXIF, XMP, IPTC, colour profile, comment or text, and nothing behind the picture's end. A JPEG may have its JFIF header."""
    with Pillow.open(io.BytesIO(data)) as picture:
        if isinstance(picture, JpegImagePlugin.JpegImageFile):
            return all(name == "APP0" for name, _ in picture.applist) and data.endswith(b"\xff\xd9")
        return set(picture.info) <= _HARMLESS and not picture.getexif()
