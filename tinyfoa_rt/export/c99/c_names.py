"""Names of a model, whatever they are, as generated files carry them."""

from __future__ import annotations

import re
import zlib

from tinyfoa_rt.names import visible

__all__ = ["identifier", "one_line"]

# With what is put behind it a name stays within the 63 characters that C99 tells apart.
_LONGEST = 40
# What the library's own names and files begin with.
_TAKEN = ("tfoa", "tinyfoa")


def identifier(name: str) -> str:
    """Return the prefix of all that is generated for the model ``name``: lower-case letters, digits and underscores.

    Two names may give the same prefix; a program that holds both models needs other names for them.
    """
    plain = re.sub(r"[^0-9a-zA-Z]+", "_", name).strip("_").lower()
    if len(plain) > _LONGEST:
        plain = f"{plain[:_LONGEST].rstrip('_')}_{zlib.crc32(name.encode('utf-8', 'replace')):08x}"
    is_free = plain and not plain[0].isdigit() and plain.split("_")[0] not in _TAKEN
    return plain if is_free else f"net_{plain}".rstrip("_")


def one_line(text: str) -> str:
    """Return a name as it may stand in a comment of C or CMake and in a table of Markdown: it ends none of them."""
    spaced = re.sub(r"\*/|/\*", lambda found: " ".join(found[0]), visible(text))
    return spaced.replace("\\", "/").replace("|", "/")
