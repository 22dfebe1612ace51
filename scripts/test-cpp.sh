#!/usr/bin/env bash
# Builds and runs the C++ unit tests against the core, without Node. BUILD_DIR and SANITIZE may be set.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=${BUILD_DIR:-build-cpp}
cmake -S . -B "$dir" -G Ninja -DCMAKE_BUILD_TYPE="${BUILD_TYPE:-Release}" -DCGA_BUILD_ADDON=OFF -DCGA_BUILD_TESTS=ON \
  -DCGA_SANITIZE="${SANITIZE:-}" >"$dir.log" 2>&1 || { cat "$dir.log"; rm -f "$dir.log"; exit 1; }
rm -f "$dir.log"
cmake --build "$dir" --target core_tests -- --quiet
"$dir/core_tests" "$@"
