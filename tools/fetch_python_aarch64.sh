#!/usr/bin/env bash
# Put Debian's Python for AArch64, and this project's wheel with what it needs there, into build/python-aarch64, for qemu-user.
# Without it tests/ort/test_python_aarch64.py is skipped, except in CI. Needs fetch_ort_aarch64.sh to have run, and root or sudo.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$PWD/build/python-aarch64
answers=$PWD/build/ort-aarch64/sysroot  # what /proc and /sys say there
if [ ! -f "$target/ready" ]; then
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
  command -v debootstrap >/dev/null || "${as_root[@]}" apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
  rm -rf "$target"
  mkdir -p "$target/sysroot"
  work=$(mktemp -d)
  trap '"${as_root[@]}" rm -rf "$work"' EXIT
  mirror=$(apt-get indextargets --format '$(REPO_URI)' | head -n 1)
  "${as_root[@]}" debootstrap --foreign --arch=arm64 --variant=minbase --include=python3 bookworm "$work" "$mirror" >/dev/null
  for package in "$work"/var/cache/apt/archives/*.deb; do dpkg-deb -x "$package" "$target/sysroot"; done
  rm -rf "$target"/sysroot/{proc,sys}
  cp -r "$answers/proc" "$answers/sys" "$target/sysroot/"
  touch "$target/ready"
fi
# The wheel is of this tree, and so is made anew each time; without the kernels, which are this machine's.
rm -rf "$target/site" "$target/wheel"
TINYFOA_PURE_WHEEL=1 .venv/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps -w "$target/wheel" .
.venv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary=:all: --python-version 3.11 --implementation cp \
  --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux2014_aarch64 \
  --target "$target/site" "$target"/wheel/tinyfoa_rt-*.whl
