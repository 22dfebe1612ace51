#!/usr/bin/env bash
# check-addon.sh FILE: holds a built addon to what the package promises, and prints its figures. Works on any architecture.
set -euo pipefail
file=$1
floor=2.34 # Ubuntu 22.04 has 2.35, RHEL 9 has 2.34
bad=0
fail() { printf '[addon] %s: %s\n' "$file" "$*" >&2; bad=1; }
elf() { LC_ALL=C readelf -W "$@" "$file" 2>/dev/null; }

exported=$(elf --dyn-syms | awk '$7 != "UND" && ($5 == "GLOBAL" || $5 == "WEAK" || $5 == "UNIQUE") { sub(/@.*/, "", $8); print $8 }' | sort | paste -sd' ')
[ "$exported" = 'napi_register_module_v1 node_api_module_get_api_version_v1' ] || fail "exports: $exported"

needed=$(elf -d | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort | paste -sd' ')
for library in $needed; do
  case $library in
    libc.so.6 | libm.so.6 | libgcc_s.so.1 | ld-linux-x86-64.so.2 | ld-linux-aarch64.so.1) ;;
    *) fail "needs $library" ;;
  esac
done

# Undefined symbols of libc and libgcc have a version; what has none must be Node's, or no loader will find it. Weak ones are
# the toolchain's own and may stay away.
unresolved=$(elf --dyn-syms | awk '$7 == "UND" && $5 == "GLOBAL" && $8 !~ /@/ && $8 !~ /^(napi|node_api)_/ { print $8 }' | sort | paste -sd' ')
[ -z "$unresolved" ] || fail "does not load: nothing has $unresolved"

glibc=$(elf --version-info | { grep -o 'GLIBC_[0-9.]*' || true; } | sed 's/GLIBC_//' | sort -uV | tail -1)
[ "$(printf '%s\n' "$glibc" "$floor" | sort -V | tail -1)" = "$floor" ] || fail "asks for glibc $glibc, more than $floor"

dynamic=$(elf -d)
grep -qE 'RPATH|RUNPATH' <<<"$dynamic" && fail 'has an RPATH'
grep -q TEXTREL <<<"$dynamic" && fail 'has text relocations'
grep -qE 'BIND_NOW|Flags: .*NOW' <<<"$dynamic" || fail 'is not linked with -z now'
grep -q NODELETE <<<"$dynamic" || fail 'is not linked with -z nodelete'
elf -l | grep -q GNU_RELRO || fail 'is not linked with -z relro'
elf -l | grep GNU_STACK | grep -q ' RWE ' && fail 'has an executable stack'
sections=$(elf -S)
grep -qE ' \.(symtab|debug_info) ' <<<"$sections" && fail 'is not stripped'
strings -n 6 "$file" | grep -qE "^(/home|$HOME|${TMPDIR:-/tmp}|$PWD)/" && fail 'has a build path inside'

megabytes() { awk '{ printf "%.2f MB", $1 / 1e6 }'; }
printf '[addon] %s: %s, %s (%s gzipped), glibc %s, needs %s\n' "$file" "$(elf -h | sed -n 's/ *Machine: *//p')" \
  "$(stat -c %s "$file" | megabytes)" "$(gzip -9c "$file" | wc -c | megabytes)" "$glibc" "$needed"
exit $bad
