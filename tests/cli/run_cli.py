"""The command line in this process."""

import pytest

from tinyfoa_rt.cli import main


def run(arguments: list[str]) -> int:
    """Run a command in this process and return its exit status."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return int(end.value.code or 0)
