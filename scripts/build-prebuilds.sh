#!/usr/bin/env bash
# Fills prebuilds/ with the addon as it is shipped: stripped, checked (scripts/check-addon.sh), debug symbols kept apart in
# build/debug/. prebuildify drives it, cmake-js builds it, inside a Debian 12 of its own (scripts/debian12.sh), so that the
# bytes are the same on every host. Each binary is built twice, in two folders of different names, and compared.
#
#   scripts/build-prebuilds.sh [x64] [arm64]     default: x64
set -euo pipefail
cd "$(dirname "$0")/.."
[ -z "${CGA_SYSTEM_OPENSSL:-}" ] || { echo '[prebuilds] what is shipped has the OpenSSL of cmake/openssl.env: unset CGA_SYSTEM_OPENSSL' >&2; exit 1; }
# A mount namespace of our own: what is mounted below goes with it.
if [ -z "${CGA_PREBUILDS_INSIDE:-}" ]; then
  user=() && [ "$(id -u)" -eq 0 ] || user=(-U -r)
  CGA_PREBUILDS_INSIDE=1 exec unshare "${user[@]}" -m bash "$0" "$@"
fi
root=$PWD
name=cvm-guest-attestation.glibc.node
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(x64)
say() { printf '[prebuilds] %s\n' "$*"; }

export CGA_TREE=$root/build/debian12
[ "$(uname -m)" = x86_64 ] || { say 'both architectures are built on x86-64'; exit 1; }
say 'unpacking Debian 12 with its compilers'
bash scripts/debian12.sh "$CGA_TREE"
work=$CGA_TREE/build
rm -rf "$work" && mkdir -p "$work"
trap 'rm -rf "$work"' EXIT
mkdir "$work/sources"
cp -r CMakeLists.txt cmake cpp package.json "$work/sources/"
ln -s /node_modules "$work/sources/node_modules"
mount --bind "$(readlink -f node_modules)" "$CGA_TREE/node_modules"
mount --bind /dev "$CGA_TREE/dev"
mount --rbind /proc "$CGA_TREE/proc" 2>/dev/null || true
install -D "$(node -p process.execPath)" "$CGA_TREE/usr/local/bin/node"
inside() { chroot "$CGA_TREE" /usr/bin/env -i PATH=/usr/bin LANG=C.UTF-8 "$@"; }

for arch in "${targets[@]}"; do
  case $arch in
    x64) debian=amd64 triplet=x86_64-linux-gnu ;;
    arm64) debian=arm64 triplet=aarch64-linux-gnu ;;
    *) say "no build for $arch"; exit 1 ;;
  esac
  openssl=$(bash scripts/openssl.sh "$debian")
  mount --bind "$openssl" "$CGA_TREE/openssl"
  say "building linux-$arch twice"
  for copy in a a-second-folder; do
    dir=$work/$arch-$copy
    cp -r "$work/sources" "$dir"
    (cd "$dir" && CGA_TRIPLET=$triplet "$root/node_modules/.bin/prebuildify" --napi --tag-libc --arch "$arch" --platform linux \
      --node-gyp "$root/scripts/prebuild-backend.mjs") >"$dir/log" 2>&1 || { cat "$dir/log" >&2; say "the $arch build failed"; exit 1; }
    mv "$dir/prebuilds/linux-$arch/$name" "$dir/full"
    inside bash -c "cd /build/$arch-$copy && $triplet-objcopy --only-keep-debug --compress-debug-sections full $name.debug &&
      $triplet-strip --strip-unneeded -o $name full && $triplet-objcopy --add-gnu-debuglink=$name.debug $name"
  done
  umount "$CGA_TREE/openssl"
  read -r first _ < <(sha256sum "$work/$arch-a/$name")
  read -r second _ < <(sha256sum "$work/$arch-a-second-folder/$name")
  [ "$first" = "$second" ] || { say "linux-$arch is not reproducible: $first, then $second"; exit 1; }

  mkdir -p "prebuilds/linux-$arch" "build/debug/linux-$arch"
  install -m 644 "$work/$arch-a/$name" "prebuilds/linux-$arch/$name"
  install -m 644 "$work/$arch-a/$name.debug" "build/debug/linux-$arch/$name.debug"
  bash scripts/check-addon.sh "prebuilds/linux-$arch/$name"
  (
    . cmake/openssl.env
    package() { awk -v name="$1" '$1 == name { print $3; exit }' "$CGA_TREE/packages.txt"; }
    cat >"prebuilds/linux-$arch/built-with.json" <<JSON
{
  "file": "$name",
  "sha256": "$first",
  "openssl": { "version": "${CGA_OPENSSL_VERSION%%-*}", "package": "$CGA_OPENSSL_VERSION", "from": "$CGA_OPENSSL_FROM" },
  "compiler": { "name": "g++", "version": "$(inside "$triplet-g++-12" -dumpfullversion)", "package": "$(package g++-12)" },
  "glibc": "$(package libc6-dev)",
  "nodeAddonApi": "$(node -p 'require("node-addon-api/package.json").version')",
  "nodeApiHeaders": "$(node -p 'require("node-api-headers/package.json").version')"
}
JSON
    say "linux-$arch: OpenSSL $CGA_OPENSSL_VERSION; same bytes twice, sha256 $first"
  )
done
