#!/usr/bin/env bash
# Put onnxruntime-web into build/ort-web, for tests/emit/test_web.py, which is skipped without, except in CI. Needs Node and npm.
set -euo pipefail
cd "$(dirname "$0")/.."
target=build/ort-web
if [ -f "$target/ready" ]; then exit 0; fi
mkdir -p "$target"
npm install --silent --no-audit --no-fund --prefix "$target" onnxruntime-web
touch "$target/ready"
