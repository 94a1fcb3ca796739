"""``python -m tinyfoa_rt``: the command line where the script is not on the path."""

from tinyfoa_rt.cli import main

if __name__ == "__main__":
    main()
