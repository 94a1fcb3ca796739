"""Make the C99 library one file: tinyfoa.c with tinyfoa.h, and tinyfoa_model.h, which generated models include.

    python -m tools.amalgamate -o FOLDER [--kernels swar]

Includes of the library's own headers are replaced by what is in them, each once. What a source defines for itself is undefined
at its end; names of functions are unique in the library, which the compiler sees to.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from tinyfoa_rt.resources import resource_path

__all__ = ["amalgamate"]

_OWN = re.compile(r'^#include "(.+)"\n', re.MULTILINE)
_DEFINED = re.compile(r"^#define (\w+)", re.MULTILINE)


def amalgamate(kernels: str = "plain") -> dict[str, str]:
    """Return the three files by name, with the variant ``kernels`` in place of plain ones.

    Args:
        kernels: a folder of ``targets/c99/kernels``.
    """
    root = resource_path("targets/c99")
    header = _Merged(root, set())
    header.add(root / "tinyfoa.h")
    model = _Merged(root, header.seen)
    model.add(root / "tinyfoa_model.h")
    source = _Merged(root, model.seen)
    for path in _sources(root, kernels):
        source.add(path)
    opening = "/* tinyfoa in one file, made by tools/amalgamate.py: do not edit. */\n"
    return {
        "tinyfoa.h": opening + header.text,
        "tinyfoa_model.h": f'{opening}#include "tinyfoa.h"\n\n{model.text}',
        "tinyfoa.c": f'{opening}#include "tinyfoa_model.h"\n\n{source.text}',
    }


def _sources(root: Path, kernels: str) -> list[Path]:
    plain = sorted((root / "kernels" / "plain").glob("*.c"))
    faster = [root / "kernels" / kernels / path.name for path in plain]
    return [*sorted((root / "runtime").glob("*.c")), *(new if new.exists() else old for new, old in zip(faster, plain))]


class _Merged:
    """A text that grows by files; ``seen`` are the headers that need not be included any more."""

    def __init__(self, root: Path, seen: set[Path]) -> None:
        self._root = root
        self.seen = set(seen)
        self.text = ""

    def add(self, path: Path) -> None:
        """Add a file, its own headers before it."""
        if path in self.seen:
            return
        self.seen.add(path)
        content = path.read_text(encoding="utf-8")
        for included in _OWN.findall(content):
            self.add((path.parent / included if (path.parent / included).exists() else self._root / included).resolve())
        body = _OWN.sub("", content)
        self.text += f"\n/* {path.relative_to(self._root).as_posix()} */\n{body}"
        if path.suffix == ".c":
            self.text += "".join(f"#undef {name}\n" for name in dict.fromkeys(_DEFINED.findall(body)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--kernels", default="plain")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, text in amalgamate(arguments.kernels).items():
        (arguments.output / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
