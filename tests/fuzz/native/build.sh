#!/usr/bin/env bash
# Builds the harnesses in the form of OSS-Fuzz: it sets CXX, CXXFLAGS, LIB_FUZZING_ENGINE and OUT. ORT_ROOT is a folder with
# onnxruntime's include/ and lib/, for the C API; without it that one is left out.
#
#     OUT=build/fuzz CXX=clang++ LIB_FUZZING_ENGINE=-fsanitize=fuzzer CXXFLAGS=-fsanitize=address,undefined tests/fuzz/native/build.sh
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
target="$here/../../../targets/ort"
mkdir -p "$OUT"
for name in json tensors model; do
    # shellcheck disable=SC2086  # flags are several words
    "$CXX" -std=c++17 ${CXXFLAGS:-} -I "$target/include" "$here/fuzz_$name.cpp" $LIB_FUZZING_ENGINE -o "$OUT/fuzz_$name"
done
if [ -n "${ORT_ROOT:-}" ]; then
    # shellcheck disable=SC2086
    "$CXX" -std=c++17 ${CXXFLAGS:-} -I "$target/include" -isystem "$ORT_ROOT/include" "$here/fuzz_c_api.cpp" \
        "$target/src/tinyfoa_ort_c.cpp" -L "$ORT_ROOT/lib" -lonnxruntime -ldl $LIB_FUZZING_ENGINE -o "$OUT/fuzz_c_api"
fi
