#!/usr/bin/env bash
# Builds the TCTI that misbehaves on demand (cpp/test/tcti), where that is not done yet, and prints its path.
set -euo pipefail
cd "$(dirname "$0")/.."
unset LD_PRELOAD  # a sanitizer's runtime is for the tests, not for the compiler
dir=build-cpp
mkdir -p "$dir"
exec 9>"$dir/faulty-tcti.lock"
flock 9  # several test files may want it at once
cmake -S . -B "$dir" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCGA_BUILD_ADDON=OFF -DCGA_BUILD_TESTS=ON >&2
cmake --build "$dir" --target tss2-tcti-faulty -- --quiet >&2
printf '%s\n' "$PWD/$dir/libtss2-tcti-faulty.so"
