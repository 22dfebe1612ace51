#!/usr/bin/env bash
# Makes a fresh Debian 12 or Ubuntu 22.04+ machine with Node ready: apt packages, npm packages, native build, TypeScript
# build. Idempotent: each step is skipped when what it makes is newer than what it is made from.
set -euo pipefail
cd "$(dirname "$0")/.."

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\033[1m' plain=$'\033[0m'; fi
say() { printf '%s[setup]%s %s\n' "$bold" "$plain" "$*"; }
die() { say "$*" >&2; exit 1; }
quietly() { # quietly WHAT COMMAND...: the command's output is shown only when it fails
  local what=$1 log status=0; shift
  log=$(mktemp)
  "$@" >"$log" 2>&1 || status=$?
  if [ $status -ne 0 ]; then cat "$log" >&2; fi
  rm -f "$log"
  [ $status -eq 0 ] || die "$what"
}

# --- Node -------------------------------------------------------------------------------------------------------------
command -v node >/dev/null && command -v npm >/dev/null || die 'Node 20.19 or newer with npm is needed and is not on the PATH'
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit((a === 20 && b >= 19) || (a === 22 && b >= 12) || a > 22 ? 0 : 1)' ||
  die "Node $(node --version) is too old: 20.19, 22.12 or anything newer is needed"

# --- system packages --------------------------------------------------------------------------------------------------
apt_packages=(
  g++ cmake ninja-build  # the native build
  libtss2-dev            # TPM headers; brings the TPM libraries with it
  swtpm                  # the simulator's TPM
  doctest-dev            # C++ unit tests
)
# Without network the addon is built with the machine's own libcrypto.a.
[ -z "${CGA_SYSTEM_OPENSSL:-}" ] || apt_packages+=(libssl-dev)
# The C++ formatting is checked with this version alone (others format differently); newer distributions lack it.
optional_packages=(clang-format-14)

installed() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'; }
missing=()
missing_optional=()
if command -v dpkg-query >/dev/null; then
  for package in "${apt_packages[@]}"; do installed "$package" || missing+=("$package"); done
  for package in "${optional_packages[@]}"; do installed "$package" || missing_optional+=("$package"); done
else
  for tool in g++ cmake ninja swtpm; do
    command -v "$tool" >/dev/null || die "this is not a Debian or Ubuntu machine: install $tool, and the equivalents of ${apt_packages[*]}"
  done
fi
# A missing optional package alone is not a reason to ask the network at every start: where it cannot be had, setup says so
# once, when it installs the rest.
if [ ${#missing[@]} -gt 0 ]; then
  sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      die "these packages are missing, and this user is neither root nor has sudo: apt-get install ${missing[*]}"
    sudo=(sudo)
  fi
  apt() { "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"; }
  say "reading the package lists"
  apt update -qq >/dev/null 2>&1 || say "apt-get update had errors (no network?); trying with the lists at hand"
  for package in "${missing_optional[@]}"; do
    if apt-cache show "$package" >/dev/null 2>&1; then missing+=("$package"); else say "$package is not in this distribution: done without"; fi
  done
  say "installing system packages: ${missing[*]} (a minute or two)"
  quietly "apt-get could not install them: is a Debian mirror reachable, and does it have all of: ${missing[*]}?" \
    apt install -y -qq --no-install-recommends "${missing[@]}"
fi

# --- npm packages -----------------------------------------------------------------------------------------------------
if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  say "installing npm packages"
  quietly "npm could not install the packages of package-lock.json: is the npm registry reachable (npm ping)?" \
    npm ci --no-audit --no-fund --loglevel=error
  touch node_modules/.package-lock.json
fi

# --- builds -----------------------------------------------------------------------------------------------------------
newer() { # newer TARGET SOURCE...: is any source newer than the target? Folders count: a deleted file touches its folder.
  local target=$1; shift
  [ ! -e "$target" ] || [ -n "$(find "$@" -newer "$target" -print -quit)" ]
}
addon=build/Release/cvm_guest_attestation.node
if newer "$addon" cmake/openssl.env scripts/openssl.sh cpp/core cpp/binding cpp/exports.map CMakeLists.txt node_modules/node-addon-api/package.json; then
  if [ -z "${CGA_SYSTEM_OPENSSL:-}" ]; then
    bash scripts/openssl.sh >/dev/null || die "there is no OpenSSL to build the addon with"
  else
    say "building against the OpenSSL of this machine: for development only"
  fi
  say "building the native addon (a minute the first time)"
  quietly "the native build failed" npm run --silent build:native
  touch "$addon"
fi
if newer dist/index.js lib binding.d.ts package.json tsconfig.json tsconfig.build.json scripts/build-ts.mjs scripts/man-page.mjs; then
  say "compiling TypeScript"
  npm run --silent build:ts || die "the TypeScript build failed"
  touch dist/index.js
fi
say "ready"
