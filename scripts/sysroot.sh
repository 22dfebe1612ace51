#!/usr/bin/env bash
# sysroot.sh ARCH DIR: unpacks what a shipped binary is linked with, and what running it under emulation needs, from
# Debian's own packages with its security updates, without changing the machine's packages or architectures. What is there
# already is taken for a day; a new OpenSSL advisory then gets in by itself. ARCH is Debian's name: amd64, arm64.
set -euo pipefail
arch=$1
packages=(
  libssl-dev libtss2-dev                                                      # linked, compiled
  libc6 libgcc-s1 libstdc++6                                                  # linked, run
  libtss2-mu0 libtss2-sys1 libtss2-rc0 libtss2-tctildr0 libtss2-tcti-swtpm0  # run
)
versions="$2/packages.txt"
if [ -n "$(find "$versions" -mtime -1 2>/dev/null)" ]; then exit 0; fi

. /etc/os-release
[ "${ID:-}" = debian ] || { echo "shipped binaries are built from Debian's packages, on Debian; this is ${PRETTY_NAME:-unknown}" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{state/lists/partial,cache/archives/partial,debs,tree}
cat >"$work/sources.list" <<SOURCES
deb http://deb.debian.org/debian $VERSION_CODENAME main
deb http://deb.debian.org/debian-security $VERSION_CODENAME-security main
SOURCES
apt=(apt-get -qq -o "APT::Architecture=$arch" -o "APT::Architectures::=$arch" -o "Dir::State=$work/state"
  -o Dir::State::status=/dev/null -o "Dir::Cache=$work/cache" -o "Dir::Etc::sourcelist=$work/sources.list"
  -o Dir::Etc::sourceparts=- -o APT::Sandbox::User= -o Acquire::Retries=3)
"${apt[@]}" update
(cd "$work/debs" && "${apt[@]}" download "${packages[@]}" >/dev/null)
for deb in "$work"/debs/*.deb; do
  dpkg-deb -x "$deb" "$work/tree"
  dpkg-deb -W --showformat='${Package} ${source:Package} ${Version} ${Architecture}\n' "$deb" >>"$work/tree/packages.txt"
done
rm -rf "$2"
mkdir -p "$(dirname "$2")"
mv "$work/tree" "$2"
