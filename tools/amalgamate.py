"""Put the C99 runtime and its plain kernels into two files, tinyfoa.h and tinyfoa.c, for projects that want no folders.

    python -m tools.amalgamate OUT

The model's own files then include what is in tinyfoa.h; tinyfoa_internal.h has what generated models need of the runtime.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tinyfoa_rt.resources import resource_path

__all__ = ["amalgam"]

_INCLUDE = re.compile(r'^#include "([^"]+)"\n', re.MULTILINE)
_DEFINE = re.compile(r"^#define (\w+)", re.MULTILINE)
_INTERNAL = ("kernels/kernels.h", "kernels/forward.h", "runtime/model.h", "runtime/products.h")


def main(output: str) -> None:
    """Write the files."""
    for name, text in amalgam().items():
        path = Path(output) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def amalgam() -> dict[str, str]:
    """Return the text of each file: the header, the source, and stubs under the paths that generated models include."""
    root = resource_path("targets/c99")
    internal = _Joined(root, known={root / "tinyfoa.h"})
    for name in _INTERNAL:
        internal.add(root / name)
    source = _Joined(root, known={root / "tinyfoa.h", *internal.seen})
    for path in (*sorted((root / "runtime").glob("*.c")), *sorted((root / "kernels" / "plain").glob("*.c"))):
        source.add(path)
    stub = '#include "../tinyfoa_internal.h"\n'
    return {
        "tinyfoa.h": (root / "tinyfoa.h").read_text(encoding="utf-8"),
        "tinyfoa_internal.h": f'#ifndef TFOA_INTERNAL_H\n#define TFOA_INTERNAL_H\n#include "tinyfoa.h"\n{internal.text}#endif\n',
        "tinyfoa.c": f'#include "tinyfoa.h"\n#include "tinyfoa_internal.h"\n{source.text}',
        **dict.fromkeys(_INTERNAL, stub),
    }


class _Joined:
    """Files one after another, each once, with the project's own includes put in their place."""

    def __init__(self, root: Path, known: set[Path]) -> None:
        self._root = root
        self.seen: set[Path] = {path.resolve() for path in known}
        self.text = ""

    def add(self, path: Path) -> None:
        path = path.resolve()
        if path in self.seen:
            return
        self.seen.add(path)
        content = path.read_text(encoding="utf-8")
        for name in _INCLUDE.findall(content):
            self.add(path.parent / name)
        self.text += f"\n/* {path.relative_to(self._root.resolve()).as_posix()} */\n{_INCLUDE.sub('', content)}"
        if path.suffix == ".c":  # its macros are its own
            self.text += "".join(f"#undef {name}\n" for name in _DEFINE.findall(content))


if __name__ == "__main__":
    main(sys.argv[1]) if len(sys.argv) == 2 else sys.exit(__doc__)
