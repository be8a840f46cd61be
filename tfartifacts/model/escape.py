r"""The one sanitizer: text out of a file becomes text that is safe to show.

A name in an artifact is any byte string. Printed raw it can move the cursor, retitle the
window, reverse the reading direction or hide. What is not plainly visible is shown as an escape:

    \n \t \r           line feed, tab, carriage return
    \x00-\x1f, \x7f    the other C0 controls and DEL
    \x80-\xff          a byte that is not UTF-8 (a lone surrogate U+DC80-DCFF in the model)
    \u0080-\uffff      C1 controls, bidirectional marks and embeddings, zero-width and other
    \U00010000-...     invisible characters, spaces other than U+0020, lone surrogates; and, for
                       a stream that is not UTF-8, everything that is not ASCII

A backslash stands for itself (paths of Windows stay readable), so this is for eyes only: JSON is
the lossless form. Apply it as often as you like: its output is left as it is.
"""

from __future__ import annotations

_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}

# Invisible, yet printable by Unicode's classes (letters, marks, symbols): fillers, the braille
# blank, the grapheme joiner, inherent Khmer vowels, Mongolian and other variation selectors.
_FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
_VARIATIONS = (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
_INVISIBLE = frozenset((*_FILLERS, *map(chr, _VARIATIONS)))


def printable(text: str, *, ascii_only: bool = False) -> str:
    """The text on one line, with every character that is not plainly visible as an escape."""
    if text.isascii():
        if text.isprintable():
            return text
    elif not ascii_only and text.isprintable() and _INVISIBLE.isdisjoint(text):
        return text
    return "".join(
        character if _is_visible(character, ascii_only) else _escape(character)
        for character in text
    )


def _is_visible(character: str, ascii_only: bool) -> bool:
    # str.isprintable is False for Unicode's classes C* (controls, formats, surrogates,
    # unassigned) and Z* (separators) but U+0020.
    if not character.isprintable() or character in _INVISIBLE:
        return False
    return not ascii_only or character.isascii()


def _escape(character: str) -> str:
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if code < 0x80:
        return f"\\x{code:02x}"
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def printable_html(text: str) -> str:
    """The same as HTML: also between quotes of an attribute it is text and nothing else."""
    from html import escape

    return escape(printable(text))
