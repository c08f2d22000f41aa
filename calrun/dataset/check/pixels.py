"""Turns any picture into 8-bit colour, as a viewer shows it: upright, on white where transparent, never clipped.

The first picture of an animation or of a file with several pages is taken, as in torchvision.
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image

TRANSPOSED = {  # by the value of the EXIF tag
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
WHITE_16 = 65_535  # white in 16-bit grey
DEEP = ("I", "F")  # beginnings of Pillow's names for grey modes of more than 8 bits
WITH_ALPHA = ("LA", "PA", "RGBA", "La", "RGBa")


def rgb(source: str | Path | BinaryIO, white: float | None = None) -> Image.Image:
    """Returns a picture file as 8-bit colour.

    Differs from torchvision, which turns transparent pixels into whatever colour lies beneath them, ignores the
    orientation that cameras note, and clips grey of more than 8 bits.

    Args:
        source: the file.
        white: the value that becomes white in grey of more than 8 bits; `None` takes 65,535, for 16 bits only.

    Raises:
        ValueError: if the file cannot be read or its scale is unknown, with the reason alone.
    """
    return eight_bit(loaded(source), white)


def eight_bit(picture: Image.Image, white: float | None) -> Image.Image:
    """Returns a decoded picture as 8-bit colour; arguments and errors are those of `rgb`."""
    tag = orientation(picture)
    if picture.mode.startswith(DEEP):
        picture = scaled(picture, white)
    picture = upright(picture, tag)
    if picture.mode in WITH_ALPHA or "transparency" in picture.info:
        visible = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", visible.size, "white"), visible)
    return picture.convert("RGB")


def loaded(source: str | Path | BinaryIO) -> Image.Image:
    """Returns a decoded picture in its own mode.

    Raises:
        ValueError: if the file cannot be read, with the reason alone.
    """
    try:
        with Image.open(source) as picture:
            picture.load()
        return picture
    except Exception as error:  # decoders answer damaged bytes with errors of many kinds
        raise ValueError(reason(error, source)) from error


def orientation(picture: Image.Image) -> int:
    """Returns the EXIF orientation of a decoded picture, 1 (upright) if there is none. Pillow turns TIFF by itself."""
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged EXIF data: the pixels are sound
        return 1


def upright(picture: Image.Image, tag: int) -> Image.Image:
    """Returns a picture turned and mirrored as its EXIF orientation says."""
    return picture.transpose(TRANSPOSED[tag]) if tag in TRANSPOSED else picture


def scaled(picture: Image.Image, white: float | None) -> Image.Image:
    """Returns grey of more than 8 bits as 8 bits: 0 stays black, `white` becomes white.

    Raises:
        ValueError: if values lie outside 0..white, or nothing says what white is.
    """
    if white is None:
        if not is_16_bit(picture):
            raise ValueError(
                f"mode {picture.mode} has no agreed white; set dataset.picture.white to the value that is to be white"
            )
        white = WHITE_16
    values = np.asarray(picture, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    if not 0 <= low <= high <= white:
        raise ValueError(f"mode {picture.mode} holds values from {low:g} to {high:g}, wanted are 0 to {white:g}")
    return Image.fromarray((values * (255 / white)).round().astype(np.uint8))


def is_16_bit(picture: Image.Image) -> bool:
    """Tells whether grey values have 16 bits; Pillow may decode those of PNG and PGM as 32."""
    return picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format in ("PNG", "PPM"))


def reason(error: Exception, source: object) -> str:
    """Returns what a decoder says, on one line, without the name of the file."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return text.replace(f" {str(source)!r}", "")
