"""The members of a zip archive as spans of its file, of which nothing is believed.

    archive : member*  directory
    member  : "PK\\3\\4" ... flags:u16 method:u16 ... name_size:u16 extra_size:u16 name extra data

The directory, read by the standard library, says where members begin; their data is read by us, so
that each can be read alone and in parts. Members that overlap, or would grow out of all proportion,
are refused before anything is read.

Source: APPNOTE.TXT of PKWARE, 4.3.
"""

from __future__ import annotations

import os
import struct
import zipfile

from tfartifacts.errors import FormatError, UnsupportedError, located
from tfartifacts.exchange.file_values import Deflated, Span
from tfartifacts.records import dataclass
from tfartifacts.storage.files import opened, read_range

MAGIC = b"PK\x03\x04"
EMPTY_MAGIC = b"PK\x05\x06"
_LOCAL = struct.Struct("<4s2H18x2H")  # to the sizes of name and extra, 30 bytes

_END = struct.Struct("<4s6xH10x")  # the last 22 bytes, before a comment
_UTF8 = 0x800  # a flag: names are UTF-8, and not the code page of MS-DOS

# Deflate makes at most 1032 bytes of one (zlib's technical notes).
_MOST_DEFLATED = 1032
# What is above this size, and was made so much smaller, is taken for a trap.
_LARGE = 1 << 30
_MOST_GROWTH = 100

_BAD_ZIP = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    UnicodeDecodeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive."""

    name: str
    held: Span | Deflated


def read_members(path: str) -> list[Member]:
    """The members of an archive in the order of its directory; their data is not read.

    Raises FormatError for damage, for members that overlap, for a name that comes twice;
    UnsupportedError for what is encrypted or compressed in another way than deflate.
    """
    with opened(path) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file, located(path):
        size = os.fstat(descriptor).st_size
        try:
            with zipfile.ZipFile(file) as archive:
                found, comment = archive.infolist(), len(archive.comment)
        except _BAD_ZIP as error:
            raise FormatError(
                f"found no zip archive that can be read: {error or type(error).__name__}; it is "
                "truncated or damaged"
            ) from None
        _compare_count(len(found), read_range(path, size - comment - _END.size, _END.size))
        infos = [info for info in found if not info.is_dir()]
        names = set()
        for info in infos:
            if info.filename in names:
                raise FormatError(f"found {info.filename!r} twice, expected each once")
            names.add(info.filename)
            _refuse_trap(info, size)
        growth = sum(info.file_size for info in infos), sum(info.compress_size for info in infos)
        if growth[0] > max(_LARGE, _MOST_GROWTH * growth[1]):
            raise FormatError(
                f"found {growth[0]} bytes in {growth[1]} compressed ones, expected less than "
                f"{_MOST_GROWTH} times as many for so many; if that is right, save them "
                "uncompressed"
            )
        members = [_member(info, path) for info in infos]
        end = 0
        for member in sorted(members, key=lambda member: member.held.offset):
            if member.held.offset < end:
                raise FormatError(
                    f"found {member.name!r} in the bytes of another, expected its own",
                    offset=member.held.offset,
                )
            stored = member.held.stored if isinstance(member.held, Deflated) else member.held.size
            end = member.held.offset + stored
        if end > size:
            raise FormatError(f"found {size} bytes, expected {end}; the file is truncated")
    return members


def _compare_count(found: int, end: bytes) -> None:
    """Whether the directory has as many members as the archive's end says.

    A damaged length in it may hide those that follow.
    """
    magic, told = _END.unpack(end)
    # In an archive of more, the number is elsewhere.
    if magic != EMPTY_MAGIC or (told not in (found, 0xFFFF)):
        raise FormatError(f"found {found} members, expected {told} as the archive's end says")


def _refuse_trap(info: zipfile.ZipInfo, archive_size: int) -> None:
    name, stored, size = info.filename, info.compress_size, info.file_size
    if info.flag_bits & 1:
        raise UnsupportedError(f"found {name!r} encrypted, expected it plain")
    is_deflated = info.compress_type == zipfile.ZIP_DEFLATED
    if not is_deflated and info.compress_type != zipfile.ZIP_STORED:
        raise UnsupportedError(
            f"found {name!r} compressed by method {info.compress_type}, expected none or deflate, "
            "as NumPy writes"
        )
    fits = size <= stored * _MOST_DEFLATED if is_deflated else size == stored
    if info.header_offset < 0 or info.header_offset + stored > archive_size or not fits:
        raise FormatError(
            f"found {name!r} of {size} bytes in {stored} at byte {info.header_offset}, expected "
            f"what a file of {archive_size} bytes can hold"
        )


def _member(info: zipfile.ZipInfo, path: str) -> Member:
    begin = info.header_offset
    magic, _, flags, name_size, extra_size = _LOCAL.unpack(read_range(path, begin, _LOCAL.size))
    if magic != MAGIC or flags & 1:
        raise FormatError(
            f"found {magic!r}, expected {MAGIC!r} and {info.filename!r}", offset=begin
        )
    # Names have no checksum, but come twice.
    name = read_range(path, begin + _LOCAL.size, name_size)
    told = name.decode("utf-8" if flags & _UTF8 else "cp437", "replace")
    if told != info.orig_filename:
        raise FormatError(
            f"found the name {told!r}, expected {info.orig_filename!r} as in the directory; the "
            "file is damaged",
            offset=begin,
        )
    offset = begin + _LOCAL.size + name_size + extra_size
    if info.compress_type == zipfile.ZIP_STORED:
        return Member(info.filename, Span(path, offset, info.file_size, info.CRC))
    return Member(
        info.filename, Deflated(path, offset, info.compress_size, info.file_size, info.CRC)
    )
