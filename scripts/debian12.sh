#!/usr/bin/env bash
# debian12.sh DIR [ARCH PACKAGE...]: unpacks a Debian 12 with its compilers for both architectures into DIR, from Debian's own signed packages,
# without changing this machine's. What is shipped is compiled in there, so that it depends on no host: neither its glibc
# nor its compiler. With ARCH and PACKAGEs it unpacks those instead, with what they depend on: to run an addon under emulation.
# What is there already is taken for a week.
set -euo pipefail
dir=$(realpath -m "$1")
arch=${2:-amd64}
packages=(
  base-files bash coreutils sed grep findutils
  g++-12 binutils cmake ninja-build libtss2-dev
  g++-12-aarch64-linux-gnu binutils-aarch64-linux-gnu
)
[ $# -le 2 ] || packages=("${@:3}")
if [ -n "$(find "$dir/packages.txt" -mtime -7 2>/dev/null)" ]; then exit 0; fi
keyring=${CGA_DEBIAN_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}
[ -r "$keyring" ] || { echo "Debian's archive keys are missing: apt-get install debian-archive-keyring" >&2; exit 1; }

mkdir -p "$(dirname "$dir")"
work=$(mktemp -d "$(dirname "$dir")/debian12.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{state/lists/partial,cache/archives/partial,tree/usr/{bin,sbin,lib,lib64}}
mirror=${CGA_DEBIAN_MIRROR:-http://deb.debian.org}
cat >"$work/sources.list" <<SOURCES
deb [signed-by=$keyring] $mirror/debian bookworm main
deb [signed-by=$keyring] $mirror/debian-security bookworm-security main
SOURCES
apt=(apt-get -qq -o "APT::Architecture=$arch" -o "APT::Architectures::=$arch" -o "Dir::State=$work/state" -o Dir::State::status=/dev/null
  -o "Dir::Cache=$work/cache" -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=
  -o Acquire::Retries=3 -o Acquire::Languages=none -o Debug::NoLocking=1)
"${apt[@]}" update
"${apt[@]}" install -y --no-install-recommends --download-only "${packages[@]}" >/dev/null
for name in bin sbin lib lib64; do ln -s "usr/$name" "$work/tree/$name"; done
for deb in "$work"/cache/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$work/tree" --keep-directory-symlink
  dpkg-deb -W --showformat='${Package} ${source:Package} ${Version} ${Architecture}\n' "$deb"
done | LC_ALL=C sort >"$work/tree/packages.txt"
ln -sf g++-12 "$work/tree/usr/bin/g++"
ln -sf gcc-12 "$work/tree/usr/bin/gcc"
ln -sf bash "$work/tree/usr/bin/sh"
mkdir -p "$work"/tree/{proc,dev,tmp,build,node_modules,openssl}
rm -rf "$dir"
mv "$work/tree" "$dir"
