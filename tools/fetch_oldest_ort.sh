#!/usr/bin/env bash
# Put onnxruntime 1.19.2, the oldest that is supported, into build/ort-1.19.2, unpacked: tests run the C++ trainer with its library.
set -euo pipefail
cd "$(dirname "$0")/.."
target=build/ort-1.19.2
if [ -d "$target" ]; then exit 0; fi
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Any of its wheels will do: the library does not depend on Python.
"$python" -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.11 --dest "$work" onnxruntime==1.19.2
"$python" -m zipfile -e "$work"/onnxruntime-*.whl "$work/unpacked"
mkdir -p build
mv "$work/unpacked" "$target"
