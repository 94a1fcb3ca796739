#!/usr/bin/env bash
# Put onnxruntime for AArch64 into build/ort-aarch64: the library inside its wheel, and a root for qemu-user that programs find
# the C library in. Without it the tests on AArch64 are skipped, except in CI. Needs the cross compilers of install_toolchains.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
target=build/ort-aarch64
version=1.32.0
if [ -f "$target/ready" ]; then exit 0; fi
python=.venv/bin/python
[ -x "$python" ] || python=python3
rm -rf "$target"
mkdir -p "$target/wheel" "$target/sysroot"
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.11 \
  --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 -d "$target/wheel" "onnxruntime==$version"
"$python" -m zipfile -e "$target"/wheel/onnxruntime-*.whl "$target/unpacked"
mkdir "$target/lib"
cp "$target/unpacked/onnxruntime/capi/libonnxruntime.so.$version" "$target/lib/libonnxruntime.so.1"
libc=$(aarch64-linux-gnu-gcc -print-file-name=libc.so.6)
cp -as "$(realpath "$(dirname "$libc")/..")"/* "$target/sysroot/"

# onnxruntime asks the kernel what processor it runs on; the host's answers would crash it. qemu-user looks below the root first.
mkdir -p "$target/sysroot/proc" "$target/sysroot/sys/devices/system/cpu"
for core in 0 1; do
  printf 'processor\t: %s\nBogoMIPS\t: 100.00\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid\n' "$core"
  printf 'CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n'
done > "$target/sysroot/proc/cpuinfo"
for name in possible present online; do echo 0-1 > "$target/sysroot/sys/devices/system/cpu/$name"; done
rm -r "$target/wheel" "$target/unpacked"
touch "$target/ready"
