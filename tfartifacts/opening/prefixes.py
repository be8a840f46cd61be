"""Which checkpoints there are: prefixes by name and by the magic number of their files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from tfartifacts.formats.bundle_entries import index_file
from tfartifacts.formats.table import FOOTER_SIZE, is_table
from tfartifacts.formats.v1_checkpoint import prefix_of_shard, set_of_shard, shard_files
from tfartifacts.storage.files import describe_file, not_readable, read_range

META_SUFFIX = ".meta"
INDEX_SUFFIX = ".index"


def listing(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        raise not_readable(folder, error) from None


def prefixes_in(folder: str, names: Iterable[str]) -> list[str]:
    """The checkpoint prefixes in a folder, in natural order."""
    prefixes = set()
    for name in names:
        path = os.path.join(folder, name)
        if name.endswith(INDEX_SUFFIX):
            prefixes.add(path.removesuffix(INDEX_SUFFIX))
        elif _may_be_v1(name) and ends_as_table(path):
            prefixes.add(set_of_shard(path) or path)
    return sorted(prefixes, key=_natural_order)


def _may_be_v1(name: str) -> bool:
    """Whether V1 checkpoints had such names: the files whose last bytes are worth a look."""
    return "." not in name or ".ckpt" in name or prefix_of_shard(name) is not None


def _natural_order(prefix: str) -> list[tuple[int, str]]:
    """A key that sorts `cp-9.ckpt` before `cp-10.ckpt`."""
    parts = re.findall(r"\d{1,18}|\D+", os.path.basename(prefix))
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def ends_as_table(path: str) -> bool:
    file = describe_file(path)
    if file is None or file.size < FOOTER_SIZE:
        return False
    return is_table(read_range(path, file.size - 8, 8))


def checkpoint_exists(prefix: str) -> bool:
    """Whether there is a V2 or V1 checkpoint of that prefix. Nothing is globbed."""
    if os.path.isfile(index_file(prefix)):
        return True
    return any(ends_as_table(path) for path in shard_files(prefix)[:1])
