#!/usr/bin/env bash
# Says which OpenSSL Debian 13 has, and pins one of them in cmake/openssl.env.
#
#   scripts/openssl-pin.sh                         versions: binaries and sources that the mirror really has
#   scripts/openssl-pin.sh VERSION archive|source  rewrites cmake/openssl.env
#
# The hashes come from lists that Debian's archive key has signed. A version with a known advisory unfixed is refused.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/openssl-apt.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
debian13_apt "$work"

sources() { apt-cache "${debian13_options[@]}" showsrc openssl; }
if [ $# -eq 0 ]; then
  echo "binaries: $(apt-cache "${debian13_options[@]}" show libssl-dev | sed -n 's/^Version: //p' | sort -uV | paste -sd' ')"
  echo "sources:  $(sources | sed -n 's/^Version: //p' | sort -uV | paste -sd' ')"
  exit
fi
version=$1 from=$2
node scripts/openssl-advisories.mjs --version "$version" || [ "${CGA_ALLOW_KNOWN_ADVISORIES:-}" = 1 ]

# One paragraph of the lists, by version.
field() { awk -v version="$version" -v name="$1" 'BEGIN { RS = ""; FS = "\n" } { found = ""; right = 0
  for (i = 1; i <= NF; i++) { if ($i == "Version: " version) right = 1; if (index($i, name ": ") == 1) found = substr($i, length(name) + 3) }
  if (right) { print found; exit } }'; }
binary() { apt-cache "${debian13_options[@]}" show "libssl-dev:$1" | field SHA256; }
source_hash() { sources | awk -v version="$version" 'BEGIN { RS = "" } $0 ~ "\nVersion: " version "\n"' |
  awk '/^Checksums-Sha256:/ { on = 1; next } on && /^ / { print $1, $3; next } { on = 0 }' | awk -v name="$1" '$2 ~ name { print $1; exit }'; }
amd64=$(binary amd64) arm64=$(binary arm64)
orig=$(source_hash 'orig\.tar\.gz$') debian=$(source_hash 'debian\.tar\.xz$')
case $from in
  archive) [ -n "$amd64" ] && [ -n "$arm64" ] || { echo "Debian 13 has no libssl-dev $version" >&2; exit 1; } ;;
  source) [ -n "$orig" ] && [ -n "$debian" ] || { echo "Debian 13 has no openssl source $version" >&2; exit 1; } ;;
  *) echo "archive or source?" >&2; exit 2 ;;
esac
sed -i -e "s/^CGA_OPENSSL_VERSION=.*/CGA_OPENSSL_VERSION=$version/" -e "s/^CGA_OPENSSL_FROM=.*/CGA_OPENSSL_FROM=$from/" \
  -e "s/^CGA_OPENSSL_SHA256_amd64=.*/CGA_OPENSSL_SHA256_amd64=$amd64/" -e "s/^CGA_OPENSSL_SHA256_arm64=.*/CGA_OPENSSL_SHA256_arm64=$arm64/" \
  -e "s/^CGA_OPENSSL_SHA256_orig=.*/CGA_OPENSSL_SHA256_orig=$orig/" -e "s/^CGA_OPENSSL_SHA256_debian=.*/CGA_OPENSSL_SHA256_debian=$debian/" \
  "${CGA_OPENSSL_ENV:-cmake/openssl.env}"
grep ^CGA "${CGA_OPENSSL_ENV:-cmake/openssl.env}"
