#!/usr/bin/env bash
# Packs the package with its prebuilt addon and tests it as a user installs it, on every Node version that it supports.
# The arm64 addon is tested too where it was built (scripts/build-prebuilds.sh arm64) and qemu-aarch64-static is there.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh
for arch in x64 arm64; do
  addon=prebuilds/linux-$arch/cvm-guest-attestation.glibc.node
  if [ $arch = "$(node -p process.arch)" ] || [ -e "$addon" ]; then
    if [ ! -e "$addon" ] || [ -n "$(find cpp CMakeLists.txt cmake -newer "$addon" -print -quit)" ]; then
      bash scripts/build-prebuilds.sh $arch
    fi
  fi
done
bash scripts/nodes.sh 20 22 24 26
if [ -e prebuilds/linux-arm64 ] && command -v qemu-aarch64-static >/dev/null; then
  bash scripts/nodes.sh 22-arm64
  bash scripts/debian12.sh build/debian12-arm64 arm64 libc6 libgcc-s1 libstdc++6 \
    libtss2-mu0 libtss2-sys1 libtss2-rc0 libtss2-tctildr0 libtss2-tcti-swtpm0
fi
exec node_modules/.bin/vitest run --config test/package/installed/vitest.config.ts
