#!/usr/bin/env bash
# The whole test: types, formatting and lint, C++ unit tests, vitest.
set -euo pipefail
cd "$(dirname "$0")/.."
step() { printf '\n[test] %s\n' "$*"; }
step 'types';                npm run --silent test:types
step 'formatting and lint';  npm run --silent test:lint
step 'C++ unit tests';       npm run --silent test:cpp
step 'vitest';               npm run --silent test:unit
