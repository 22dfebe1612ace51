#!/usr/bin/env bash
# openssl.sh [ARCH]: prints the folder with include/ and lib/libcrypto.a of the OpenSSL that cmake/openssl.env names, for
# Debian's ARCH (default: this machine's). Fetched or built once, and kept outside the tree, in
# ${XDG_CACHE_HOME:-~/.cache}/cvm-guest-attestation.
set -euo pipefail
cd "$(dirname "$0")/.."
. "${CGA_OPENSSL_ENV:-cmake/openssl.env}"
say() { printf '[openssl] %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

arch=${1:-}
if [ -z "$arch" ]; then
  case $(uname -m) in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; *) die "no build of OpenSSL for $(uname -m): set CGA_SYSTEM_OPENSSL=1" ;; esac
fi
version=$CGA_OPENSSL_VERSION
cache=${CGA_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-$PWD/build-deps}/.cache}/cvm-guest-attestation}
mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] || { cache=$PWD/build-deps; mkdir -p "$cache"; }
hash=CGA_OPENSSL_SHA256_$arch
[ "$CGA_OPENSSL_FROM" = archive ] || hash=CGA_OPENSSL_SHA256_orig
target=$cache/openssl-$version-$CGA_OPENSSL_FROM-$arch-$(printf %s "${!hash}$(cksum <scripts/openssl.sh)" | sha256sum | cut -c1-12)
if [ -e "$target/lib/libcrypto.a" ]; then echo "$target"; exit; fi
node scripts/openssl-advisories.mjs --version "$version" >&2 || [ "${CGA_ALLOW_KNOWN_ADVISORIES:-}" = 1 ] ||
  die "OpenSSL $version is not built: it lacks the fixes above"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fetch() { # fetch FILE SHA256: from Debian's pools, refused unless it has that hash
  local file=$1 sha256=$2 base url
  [ -n "$sha256" ] || die "cmake/openssl.env has no hash for $file: scripts/openssl-pin.sh $version $CGA_OPENSSL_FROM"
  for base in "${CGA_DEBIAN_MIRROR:-http://deb.debian.org}/debian/pool" \
    "${CGA_DEBIAN_MIRROR:-http://deb.debian.org}/debian-security/pool/updates" \
    http://snapshot.debian.org/archive/debian/20261015T000000Z/pool; do
    url=$base/main/o/openssl/$file
    if [ -x /usr/lib/apt/apt-helper ]; then # with apt's own proxy settings
      /usr/lib/apt/apt-helper -qq -o APT::Sandbox::User= -o Acquire::http::Timeout=20 download-file "$url" "$work/$file" >/dev/null 2>&1 || continue
    else
      curl -sSfL --connect-timeout 20 -o "$work/$file" "$url" 2>/dev/null || continue
    fi
    [ "$(sha256sum <"$work/$file" | cut -d' ' -f1)" = "$sha256" ] ||
      die "refused: $url is not the file whose hash cmake/openssl.env has"
    return
  done
  die "cannot fetch $file from deb.debian.org or snapshot.debian.org: without network set CGA_SYSTEM_OPENSSL=1 to build" \
    "against the machine's own OpenSSL (libssl-dev; for development, never for what is shipped)"
}

if [ "$CGA_OPENSSL_FROM" = archive ]; then
  triplet=$([ "$arch" = amd64 ] && echo x86_64-linux-gnu || echo aarch64-linux-gnu)
  say "fetching OpenSSL $version for $arch (3 MB)"
  fetch "libssl-dev_${version}_$arch.deb" "${!hash}"
  mkdir -p "$work/tree" "$work/out/lib"
  if command -v dpkg-deb >/dev/null; then
    dpkg-deb -x "$work/libssl-dev_${version}_$arch.deb" "$work/tree"
  else
    (cd "$work" && ar x "libssl-dev_${version}_$arch.deb" && tar -xf data.tar.* -C tree)
  fi
  cp -r "$work/tree/usr/include" "$work/out/include"
  cp -r "$work/out/include/$triplet/openssl/." "$work/out/include/openssl"
  rm -r "$work/out/include/$triplet"
  cp "$work/tree/usr/lib/$triplet/libcrypto.a" "$work/out/lib/"
  : >"$work/out/debian-archive" # CMakeLists.txt: what this archive asks of other libraries is given to it
else
  for tool in perl make gcc patch xz; do command -v "$tool" >/dev/null || die "building OpenSSL needs $tool"; done
  fetch "openssl_${version%-*}.orig.tar.gz" "$CGA_OPENSSL_SHA256_orig"
  fetch "openssl_$version.debian.tar.xz" "$CGA_OPENSSL_SHA256_debian"
  say "building a minimal libcrypto $version for $arch (a minute or two)"
  mkdir "$work/src"
  tar -xzf "$work/openssl_${version%-*}.orig.tar.gz" -C "$work/src" --strip-components=1
  tar -xJf "$work/openssl_$version.debian.tar.xz" -C "$work/src"
  cd "$work/src"
  while read -r patch _; do
    case $patch in '' | '#'*) continue ;; esac
    patch -sp1 <"debian/patches/$patch" || die "Debian's patch $patch does not apply"
  done <debian/patches/series
  host=linux-x86_64 prefix=() flags=-fcf-protection
  if [ "$arch" = arm64 ]; then host=linux-aarch64 prefix=(--cross-compile-prefix=aarch64-linux-gnu-) flags=-mbranch-protection=standard; fi
  [ "$arch" != "$(dpkg --print-architecture 2>/dev/null)" ] || prefix=()
  # Kept: AES, SHA-1 and SHA-2, RSA, ECDSA over prime curves, HKDF, HMAC, the DRBG. Relative paths, so that folders leave no trace.
  export SOURCE_DATE_EPOCH=1790000000
  {
    ./Configure "$host" "${prefix[@]}" --prefix=/usr --libdir=lib --openssldir=/nonexistent \
      no-shared no-module no-dso no-legacy no-engine no-apps no-tests no-docs no-autoload-config no-autoerrinit \
      no-ssl no-tls no-dtls no-quic no-sock no-ui-console no-comp no-zlib no-zstd no-brotli no-async no-http \
      no-cmp no-cms no-ct no-ocsp no-ts no-srp no-psk no-srtp no-sctp no-dgram no-gost no-rfc3779 no-nextprotoneg \
      no-aria no-bf no-blake2 no-camellia no-cast no-chacha no-poly1305 no-des no-idea no-md2 no-md4 no-mdc2 no-rc2 no-rc4 \
      no-rc5 no-rmd160 no-seed no-siphash no-siv no-sm2 no-sm3 no-sm4 no-whirlpool no-scrypt no-argon2 no-ocb no-cmac \
      no-dh no-dsa no-ec2m no-ecx no-ml-dsa no-ml-kem no-slh-dsa no-padlockeng no-afalgeng no-capieng \
      enable-ec_nistp_64_gcc_128 no-deprecated \
      -fvisibility=hidden -fstack-protector-strong -ffunction-sections -fdata-sections "$flags" -D_FORTIFY_SOURCE=2 \
      "-ffile-prefix-map=$PWD=." &&
      make -s -j"$(nproc)" build_generated && make -s -j"$(nproc)" libcrypto.a
  } >"$work/log" 2>&1 || { tail -30 "$work/log" >&2; die "OpenSSL $version did not build"; }
  mkdir -p "$work/out/lib"
  cp -r include "$work/out/include"
  cp libcrypto.a "$work/out/lib/"
  cd - >/dev/null
fi
mkdir -p "$cache"
rm -rf "$target"
mv "$work/out" "$target"
echo "$target"
