#!/usr/bin/env bash
# Put onnxruntime's headers into build/ort-headers/include: no wheel carries them, but Debian's libonnxruntime-dev does.
# It is only unpacked, not installed. Where the machine's own release has no such package, that of Debian 13 is taken from the mirror
# that apt is set up with. Without the headers the tests of targets/ort are skipped, except in CI.
set -euo pipefail
cd "$(dirname "$0")/.."
target=build/ort-headers
header=$target/include/onnxruntime_c_api.h
if [ -f "$header" ]; then exit 0; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

download() {  # options of apt-get
  (cd "$work" && apt-get "$@" -o APT::Sandbox::User=root download -qq libonnxruntime-dev)
}

download_from_debian_13() {
  local mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI)' | head -n 1)
  mkdir -p "$work"/apt/{lists/partial,cache/archives/partial,state}
  touch "$work/apt/state/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" > "$work/apt/sources.list"
  local options=(
    -o "Dir::Etc::SourceList=$work/apt/sources.list" -o "Dir::Etc::SourceParts=/dev/null"
    -o "Dir::State::lists=$work/apt/lists" -o "Dir::State=$work/apt/state" -o "Dir::State::status=$work/apt/state/status"
    -o "Dir::Cache=$work/apt/cache"
  )
  apt-get "${options[@]}" update -qq
  download "${options[@]}"
}

download 2>/dev/null || download_from_debian_13
dpkg-deb -x "$work"/libonnxruntime-dev*.deb "$work/unpacked"
found=$(find "$work/unpacked" -name onnxruntime_c_api.h -printf '%h' -quit)
mkdir -p "$target"
cp -r "$found" "$target/include.new"
mv "$target/include.new" "$target/include"
