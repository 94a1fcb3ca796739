#!/usr/bin/env bash
# Install what the C tests need beside a C compiler: cross compilers and QEMU. For Debian and Ubuntu; needs root or sudo.
# Without these tools the tests that need them are skipped, except in CI.
set -euo pipefail
packages=(
  gcc g++ clang libclang-rt-dev valgrind cmake
  gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm     # Cortex-M
  g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user          # AArch64
  gcc-powerpc64-linux-gnu libc6-dev-ppc64-cross                  # big endian
  gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf qemu-system-misc
)
command -v npm >/dev/null || packages+=(nodejs npm)               # WebAssembly
as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
missing=()
for package in "${packages[@]}"; do
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
if [ "${#missing[@]}" -eq 0 ]; then exit 0; fi
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
