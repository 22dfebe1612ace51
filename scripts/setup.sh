#!/usr/bin/env bash
# Makes a fresh Debian or Ubuntu machine ready: apt packages, npm packages, native build, TypeScript build.
# Idempotent: each step is skipped when what it makes is newer than what it is made from.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\033[1m[setup]\033[0m %s\n' "$*"; }
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] || say() { printf '[setup] %s\n' "$*"; }

apt_packages=(
  g++ cmake ninja-build        # the native build
  libssl-dev libtss2-dev       # static libcrypto; TPM headers and libraries
  libtss2-tcti-device0 libtss2-tcti-swtpm0
  swtpm                        # the simulator's TPM
  doctest-dev clang-format-14  # C++ unit tests and formatting
)
missing=()
for package in "${apt_packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  sudo=""
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { say "these packages are missing and this user cannot install them: ${missing[*]}"; exit 1; }
    sudo=sudo
  fi
  say "installing system packages: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  $sudo apt-get update -qq
  $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  say "installing npm packages"
  npm ci --no-audit --no-fund --loglevel=error
  touch node_modules/.package-lock.json
fi

newer() { # newer TARGET SOURCE...: is any source newer than the target?
  local target=$1; shift
  [ ! -e "$target" ] || [ -n "$(find "$@" -newer "$target" -type f -print -quit)" ]
}
addon=build/Release/cvm_guest_attestation.node
if newer "$addon" cpp/core cpp/binding cpp/exports.map CMakeLists.txt; then
  say "building the native addon (a minute the first time)"
  if ! npm run --silent build:native >build-native.log 2>&1; then
    cat build-native.log; rm -f build-native.log
    say "the native build failed"; exit 1
  fi
  rm -f build-native.log
  touch "$addon"
fi
if newer dist/index.js lib binding.d.ts tsconfig.json tsconfig.build.json; then
  say "compiling TypeScript"
  npm run --silent build:ts
  touch dist/index.js
fi
say "ready"
