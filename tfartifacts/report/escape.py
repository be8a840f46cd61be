"""Text out of a file, safe to show: by the rule of model.escape, or as a word of a shell."""

from __future__ import annotations

from tfartifacts.model.escape import printable

__all__ = ["printable", "shell_quote"]


def shell_quote(text: str, *, ascii_only: bool = False) -> str:
    r"""The text as one word of a POSIX shell; what cannot be shown as itself in `$'\xNN'` form.

    The word is visible ASCII or visible text throughout, and a shell that knows `$'...'` (bash,
    zsh, ksh, POSIX 2024) turns it back into the very bytes.
    """
    if text and text.isascii() and not set(text) - _SAFE_IN_SHELL:
        return text
    if printable(text, ascii_only=ascii_only) != text:
        encoded = text.encode("utf-8", "surrogateescape" if _only_bytes(text) else "surrogatepass")
        return "$'" + "".join(map(_shell_byte, encoded)) + "'"
    return "'" + text.replace("'", "'\\''") + "'"


_SAFE_IN_SHELL = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%_-+=:,./"
)


def _only_bytes(text: str) -> bool:
    """Whether every surrogate in it stands for a byte."""
    return not any(
        "\ud800" <= character <= "\udfff" and not "\udc80" <= character <= "\udcff"
        for character in text
    )


def _shell_byte(byte: int) -> str:
    if 0x20 <= byte < 0x7F and byte not in b"'\\":
        return chr(byte)
    # Three octal digits: a hexadecimal escape would swallow digits that follow it in some shells.
    return f"\\{byte:03o}"
