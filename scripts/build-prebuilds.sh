#!/usr/bin/env bash
# Fills prebuilds/ with the addon as it is shipped: stripped, checked (scripts/check-addon.sh), debug symbols kept apart in
# build/debug/. Each binary is built twice, in two folders of different names, and the bytes are compared.
#
#   scripts/build-prebuilds.sh [x64] [arm64]     default: this machine's own architecture
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
name=cvm-guest-attestation.glibc.node
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=("$(node -p process.arch)")
say() { printf '[prebuilds] %s\n' "$*"; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() { # build ARCH TRIPLET PROCESSOR FOLDER: compiles a copy of the sources in FOLDER
  local arch=$1 triplet=$2 processor=$3 dir=$4
  mkdir -p "$dir/headers"
  cp -r CMakeLists.txt cmake cpp "$dir/"
  cp -rL node_modules/node-addon-api node_modules/node-api-headers "$dir/headers/"
  ln -s "$root/build/sysroot-$arch" "$dir/sysroot"
  {
    cmake -S "$dir" -B "$dir/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCGA_DEBUG_INFO=ON \
      "-DCMAKE_TOOLCHAIN_FILE=$dir/cmake/debian-sysroot.cmake" "-DCGA_SYSROOT=$dir/sysroot" \
      "-DCGA_TRIPLET=$triplet" "-DCGA_PROCESSOR=$processor" \
      "-DCMAKE_JS_INC=$dir/headers/node-api-headers/include;$dir/headers/node-addon-api" &&
      cmake --build "$dir/build" --target cvm_guest_attestation
  } >"$dir/log" 2>&1 || { cat "$dir/log" >&2; say "the $arch build failed"; exit 1; }
}

for arch in "${targets[@]}"; do
  case $arch in
    x64) debian=amd64 processor=x86_64 ;;
    arm64) debian=arm64 processor=aarch64 ;;
    *) say "no build for $arch"; exit 1 ;;
  esac
  triplet=$processor-linux-gnu
  command -v "$triplet-g++" >/dev/null || { say "install g++-${triplet//_/-} for the $arch build"; exit 1; }
  say "fetching the libraries for linux-$arch"
  bash scripts/sysroot.sh "$debian" "build/sysroot-$arch"
  say "building linux-$arch twice"
  for copy in a a-second-folder; do
    build "$arch" "$triplet" "$processor" "$work/$arch/$copy"
    out="$work/$arch/$copy/$name"
    cp "$work/$arch/$copy/build/cvm_guest_attestation.node" "$out.full"
    "$triplet"-objcopy --only-keep-debug --compress-debug-sections "$out.full" "$out.debug"
    "$triplet"-strip --strip-unneeded -o "$out" "$out.full"
    (cd "$work/$arch/$copy" && "$triplet"-objcopy --add-gnu-debuglink="$name.debug" "$name")
  done
  read -r first _ < <(sha256sum "$work/$arch/a/$name")
  read -r second _ < <(sha256sum "$work/$arch/a-second-folder/$name")
  [ "$first" = "$second" ] || { say "linux-$arch is not reproducible: $first, then $second"; exit 1; }

  mkdir -p "prebuilds/linux-$arch" "build/debug/linux-$arch"
  install -m 644 "$work/$arch/a/$name" "prebuilds/linux-$arch/$name"
  install -m 644 "$work/$arch/a/$name.debug" "build/debug/linux-$arch/$name.debug"
  bash scripts/check-addon.sh "prebuilds/linux-$arch/$name"
  openssl=$(awk '$1 == "libssl-dev" { print $3 }' "build/sysroot-$arch/packages.txt")
  cat >"prebuilds/linux-$arch/built-with.json" <<JSON
{
  "file": "$name",
  "sha256": "$first",
  "openssl": { "version": "${openssl%%-*}", "package": "$openssl" },
  "compiler": { "name": "g++", "version": "$("$triplet-g++" -dumpfullversion)" },
  "nodeAddonApi": "$(node -p 'require("node-addon-api/package.json").version')",
  "nodeApiHeaders": "$(node -p 'require("node-api-headers/package.json").version')"
}
JSON
  say "linux-$arch: OpenSSL $openssl; same bytes twice, sha256 $first"
done
