"""Values for inputs, as they are typed: a file, or the numbers themselves.

    digits.npy            an array
    digits.npz[images]    one array of an archive         digits.npz: its only one
    feed.json  0.5  [[1, 2], [3, 4]]  true  "text"        JSON
    cat.png  cat.jpg      a picture, decoded by TensorFlow; its bytes for an input of strings
    plain                 for an input of strings the text itself

Nothing is evaluated or unpickled, and files are regular ones: no pipe, no device. What a value
becomes in the type of its input is said in `fitting`.
"""

from __future__ import annotations

import re
from typing import Any

from tfartifacts.execution.arrays import read_npy, read_npz
from tfartifacts.execution.fitting import fitting
from tfartifacts.execution.json_values import parse_json, read_json
from tfartifacts.execution.pictures import Picture, decoded, read_picture
from tfartifacts.model.graphs import TensorInfo
from tfartifacts.storage.files import read_file

_ARCHIVE = re.compile(r"(?P<path>.*\.npz)(?:\[(?P<key>.*)\])?\Z", re.DOTALL | re.IGNORECASE)
_PICTURES = (".png", ".jpg", ".jpeg")


def read_feed(text: str, info: TensorInfo) -> Any:
    """The array that a text stands for, as the input takes it; of a picture a Picture.

    TensorFlow is not needed. Raises PathNotFoundError for a file that is not there,
    ConversionError for a value that is none, or of another type or shape than the input.
    """
    value = _read(text, info)
    return value if isinstance(value, Picture) else fitting(value, info, text)


def with_pixels(feed: Any, info: TensorInfo) -> Any:
    """What read_feed gave, a picture decoded by TensorFlow. Raises ConversionError."""
    return fitting(decoded(feed, info), info, feed.path) if isinstance(feed, Picture) else feed


def _read(text: str, info: TensorInfo) -> Any:
    import numpy as np

    lower = text.lower()
    is_string = info.dtype is not None and info.dtype.name == "string"
    if lower.endswith(".npy"):
        return read_npy(text)
    if archive := _ARCHIVE.match(text):
        return read_npz(archive["path"], archive["key"])
    if lower.endswith(".json"):
        return read_json(text, info)
    if lower.endswith(_PICTURES):
        if not is_string:
            return read_picture(text, info)
        # One string, whatever number of dimensions the input has.
        return np.array(read_file(text), object).reshape((1,) * len(info.shape or ()))
    if is_string and not text.startswith(("[", '"', "{")):
        return np.array(text.encode("utf-8", "surrogateescape"), object)
    lowered = text.strip().lower()
    return parse_json(lowered if lowered in ("true", "false") else text, info)
