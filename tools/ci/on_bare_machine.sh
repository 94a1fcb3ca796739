#!/usr/bin/env bash
# usage: on_bare_machine.sh [--with-gcc] COMMAND...: run a command where PATH holds Python, make and coreutils alone, and with
# --with-gcc a C compiler. What a developer's machine has besides is hidden, so that a test cannot lean on it.
set -euo pipefail
tools=(
  make sh sed grep
  basename cat chmod cp cut date dirname echo env expr false head id install ln ls mkdir mkfifo mktemp mv nproc printf pwd
  readlink realpath rm rmdir seq sha256sum sleep sort stat tail tee test timeout touch tr true uname uniq wc
)
if [ "${1:-}" = --with-gcc ]; then
  shift
  tools+=(gcc cc as ld ar ranlib)
fi
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
for tool in "${tools[@]}"; do
  if found=$(type -P "$tool"); then ln -sf "$found" "$bin/$tool"; fi
done
# A version manager's python3 is a script, which looks for others in PATH.
python=$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')
# And an environment links to the Python that made it: to the real one, which stays, not to a link in the folder that goes.
printf '#!/bin/sh\nexec "%s" "$@"\n' "$python" > "$bin/python3"
chmod +x "$bin/python3"
env -u TINYFOA_ALL_TOOLS PATH="$bin" "$@"
