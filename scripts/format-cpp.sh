#!/usr/bin/env bash
# Formats the C++ sources, or with --check only says what is not formatted.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t files < <(find cpp -name '*.cc' -o -name '*.h' | sort)
if [ "${1:-}" = --check ]; then clang-format-14 --dry-run --Werror "${files[@]}"; else clang-format-14 -i "${files[@]}"; fi
