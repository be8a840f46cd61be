"""Pictures: what they are is read here, their pixels by TensorFlow.

    PNG  : signature, size:u32 "IHDR" width:u32 height:u32 bits:u8 ...    big-endian
    JPEG : FFD8, then segments FF marker:u8 size:u16 ...; of a frame (SOF) bits:u8 height width:u16

A picture that is too large is refused by its head, before anything is decoded. Pixels are 0 to 255
as they are in the file (0 to 65535 for inputs of uint16): nothing is scaled.
"""

from __future__ import annotations

import struct
from typing import Any

from tfartifacts.errors import ConversionError
from tfartifacts.execution.tensorflow import import_tensorflow
from tfartifacts.model.graphs import TensorInfo
from tfartifacts.records import dataclass
from tfartifacts.storage.files import read_file

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MOST_PIXELS = 1 << 27  # 400 MB of them, at three bytes


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is not decoded yet; `bits` are those of a channel."""

    path: str
    content: bytes
    is_png: bool
    height: int
    width: int
    bits: int


def read_picture(path: str, info: TensorInfo) -> Picture:
    """The picture in a file, for an input.

    Raises ConversionError for what is no PNG or JPEG, for one that is too large, and for an input
    that takes no picture of its size.
    """
    content = read_file(path)
    if content.startswith(_PNG):
        width, height, bits = _png_head(content, path)
    elif content.startswith(_JPEG):
        width, height, bits = _jpeg_head(content, path)
    else:
        raise ConversionError(
            f"found a file that begins with {content[:8]!r}, expected a PNG or JPEG picture",
            path=path,
        )
    picture = Picture(path, content, content.startswith(_PNG), height, width, bits)
    if not 0 < width * height <= _MOST_PIXELS:
        raise ConversionError(
            f"found a picture of {width} x {height} pixels, expected at most {_MOST_PIXELS} pixels",
            path=path,
        )
    if bits > 8 and (info.dtype is None or info.dtype.base.name != "uint16"):
        raise ConversionError(
            f"found a picture of {bits} bits a channel, expected 8 for an input that is not "
            "uint16; save it with 8, or its values as .npy",
            path=path,
        )
    _refuse_shape(picture, info)
    return picture


def _png_head(content: bytes, path: str) -> tuple[int, int, int]:
    if len(content) < 25 or content[12:16] != b"IHDR":
        raise ConversionError("found a PNG without its head, expected IHDR", path=path)
    width, height, bits = struct.unpack(">IIB", content[16:25])
    return width, height, bits


def _jpeg_head(content: bytes, path: str) -> tuple[int, int, int]:
    at = 2
    while at + 9 <= len(content):
        if content[at] != 0xFF:
            break
        marker = content[at + 1]
        if marker == 0xFF or 0xD0 <= marker <= 0xD8 or marker == 1:  # padding, and without a size
            at += 1 if marker == 0xFF else 2
            continue
        (size,) = struct.unpack(">H", content[at + 2 : at + 4])
        if marker in _FRAMES:
            bits, height, width = struct.unpack(">BHH", content[at + 4 : at + 9])
            return width, height, bits
        at += 2 + max(size, 2)
    raise ConversionError("found a JPEG without a frame, expected one", path=path)


def _refuse_shape(picture: Picture, info: TensorInfo) -> None:
    shape = info.shape
    if shape is None:
        return
    size = (1, picture.height, picture.width)[-(len(shape) - 1) :] if len(shape) in (3, 4) else ()
    if not size or any(w not in (None, s) for w, s in zip(shape[:-1], size, strict=True)):
        raise ConversionError(
            f"found a picture of {picture.height} x {picture.width} (height, width), expected "
            f"{info}",
            path=picture.path,
        )


def decoded(picture: Picture, info: TensorInfo) -> Any:
    """Height, width, channels, as many as the input has; a batch of one where it has batches.

    Raises ConversionError for a picture that TensorFlow does not decode.
    """
    import numpy as np

    tensorflow = import_tensorflow()
    shape = info.shape or ()
    channels = shape[-1] if shape and shape[-1] in (1, 3, *([4] if picture.is_png else [])) else 0
    with tensorflow.Graph().as_default() as graph:
        if picture.is_png:
            dtype = tensorflow.uint16 if picture.bits > 8 else tensorflow.uint8
            pixels = tensorflow.io.decode_png(picture.content, channels=channels, dtype=dtype)
        else:
            pixels = tensorflow.io.decode_jpeg(picture.content, channels=channels)
        with tensorflow.compat.v1.Session(graph=graph) as session:
            try:
                array = np.asarray(session.run(pixels))
            except tensorflow.errors.OpError as error:
                raise ConversionError(
                    f"found no picture that can be read: {error.message}", path=picture.path
                ) from None
    return array[np.newaxis] if len(shape) == 4 else array
