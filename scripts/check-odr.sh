#!/usr/bin/env bash
# check-odr.sh FOLDER: looks through the object files below FOLDER for functions that are defined twice under one name, once
# in a source and once inline in a header. The linker takes one of them for both without a word, and which one, or whether
# any call reaches it at all, depends on what was inlined: on one architecture it works, on another it does not.
set -euo pipefail
objects=$(find "$1" -name '*.o')
[ -n "$objects" ] || { echo "there are no object files below $1" >&2; exit 2; }
twice=$(while read -r object; do LC_ALL=C nm --defined-only "$object" | awk -v object="${object##*/}" 'NF == 3 { print $2, $3, object }'; done <<<"$objects" |
  awk '$1 == "T" { own[$2] = $3 } $1 == "W" { inlined[$2] = $3 } END { for (name in own) if (name in inlined) print name, "in", own[name], "and", inlined[name] }' | c++filt)
[ -z "$twice" ] || { printf '[odr] defined twice: %s\n' "$twice" >&2; exit 1; }
