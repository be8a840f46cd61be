"""VersionDef: who wrote something, and which readers may read it.

    VersionDef : 1 producer  2 min_consumer  3 bad_consumers*

Source: tensorflow/core/framework/{versions.proto,versions.cc}.
"""

from __future__ import annotations

from tfartifacts.errors import UnsupportedError
from tfartifacts.formats.wire import Message, int32, put_bytes, put_integer, varint
from tfartifacts.model.graphs import Versions


def read_versions(message: Message | None) -> Versions:
    """A VersionDef {1 producer  2 min_consumer  3 bad_consumers*}."""
    if message is None:
        return Versions()
    bad_consumers = tuple(int32(number) for number in message.integers(3))
    return Versions(int32(message.integer(1)), int32(message.integer(2)), bad_consumers)


def write_versions(versions: Versions) -> bytes:
    bad = b"".join(map(varint, versions.bad_consumers))
    return (
        put_integer(1, versions.producer)
        + put_integer(2, versions.min_consumer)
        + (put_bytes(3, bad) if bad else b"")
    )


def check_versions(versions: Versions, version: int, min_producer: int, what: str) -> None:
    """Refuse what its writer says this reader cannot read (core/framework/versions.cc)."""
    reason = None
    if versions.producer < min_producer:
        reason = f"version {versions.producer}, older than {min_producer}"
    elif versions.min_consumer > version:
        reason = f"that only readers of version {versions.min_consumer} or later can read"
    elif version in versions.bad_consumers:
        reason = f"that forbids readers of version {version}"
    if reason is not None:
        raise UnsupportedError(f"found a {what} {reason}; expected version {version}")
