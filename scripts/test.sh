#!/usr/bin/env bash
# The whole test: types, formatting and lint, C++ unit tests, vitest. Closes with `N passed, N failed, N skipped`: vitest's
# count, or, when a step before it fails, one failure.
set -uo pipefail
cd "$(dirname "$0")/.."

step() { # step WHAT SCRIPT
  printf '\n[test] %s\n' "$1"
  npm run --silent "$2" && return
  printf '\n[test] failed: %s (npm run %s)\n0 passed, 1 failed, 0 skipped\n' "$1" "$2"
  exit 1
}
step 'types' test:types
step 'formatting and lint' test:lint
step 'C++ unit tests' test:cpp
printf '\n[test] vitest\n'
exec npm run --silent test:unit
