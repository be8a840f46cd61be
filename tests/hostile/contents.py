"""What is read of an artifact, by name, in a form that two readers can compare.

    variable : [dtype, shape, values, sha256 of the values]   values: the first few
    node     : "node NAME": op
    signature: "signature KEY": [names of inputs, names of outputs]
    asset    : "asset TENSOR": the path that is fed, from the case's folder

Runs in Python 3.7 and later: TensorFlow 1.15 has nothing newer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

Json = Any

FEW = 16  # values that are shown
MANY = 1000  # names that are told one by one


def of_tensor(dtype: str, array: Any, sha256: str) -> Json:
    """A tensor's values by its NumPy array; TensorFlow's `dtype` and the digest tell them apart."""
    flat = array.reshape(-1)[:FEW]
    if array.dtype.kind in "OSU":
        values = [
            value.decode("latin-1") if isinstance(value, bytes) else str(value)
            for value in flat.tolist()
        ]
    elif array.dtype.kind in "biuf":
        values = flat.tolist()
    else:
        values = [str(value) for value in flat.tolist()]
    return [dtype, list(array.shape), values, sha256]


def summary(contents: Mapping[str, Json]) -> dict[str, Json]:
    """The contents; of very many their number and digest."""
    if len(contents) <= MANY:
        return dict(contents)
    digest = hashlib.sha256(json.dumps(sorted(contents.items())).encode()).hexdigest()
    return {f"{len(contents)} names": digest}
