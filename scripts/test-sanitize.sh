#!/usr/bin/env bash
# The C++ unit tests and the vitest suite under sanitizers.
#
#   npm run test:sanitize                 all of:
#   npm run test:sanitize -- core         C++ tests with AddressSanitizer, UndefinedBehaviorSanitizer, LeakSanitizer
#   npm run test:sanitize -- threads      C++ tests with ThreadSanitizer: worker, device, watchdog, thread pool
#   npm run test:sanitize -- valgrind     C++ tests of the TPM core under memcheck
#   npm run test:sanitize -- addon [FILES...]  vitest with an addon built with ASan and UBSan (all tests that use it)
#
# Leaks are looked for in the C++ tests alone: node itself ends without giving everything back. ThreadSanitizer cannot be
# loaded into an uninstrumented node, so that the threads are driven from C++.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\n[sanitize] %s\n' "$*"; }

export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
what=${1:-all}
[ $# -eq 0 ] || shift
addon_tests=("$@")
[ ${#addon_tests[@]} -gt 0 ] || addon_tests=(test/tpm test/envelope test/verify test/encrypt test/client test/fuzz)

bash scripts/setup.sh

core() {
  say 'C++ tests: AddressSanitizer, UndefinedBehaviorSanitizer, LeakSanitizer'
  ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1 \
    BUILD_DIR=build-asan BUILD_TYPE=Debug SANITIZE=address,undefined bash scripts/test-cpp.sh
}

threads() {
  say 'C++ tests: ThreadSanitizer'
  TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 \
    BUILD_DIR=build-tsan BUILD_TYPE=Debug SANITIZE=thread bash scripts/test-cpp.sh
}

memcheck() {
  say 'C++ tests of the TPM core: valgrind'
  if ! command -v valgrind >/dev/null; then
    sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo)
    say 'installing valgrind'
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends valgrind libc6-dbg >/dev/null
  fi
  BUILD_TYPE=Debug BUILD_DIR=build-valgrind bash scripts/test-cpp.sh --count >/dev/null
  valgrind --quiet --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite --trace-children=no \
    build-valgrind/core_tests --source-file='*cpp/test/tpm/*'
}

addon() {
  say "vitest with an addon under AddressSanitizer and UndefinedBehaviorSanitizer: ${addon_tests[*]}"
  local dir=$PWD/build/sanitized
  cmake -S . -B "$dir" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCGA_SANITIZE=address,undefined >"$dir.log" ||
    { cat "$dir.log"; exit 1; }
  cmake --build "$dir" --target cvm_guest_attestation -- --quiet
  # Where node-gyp-build looks below the folder that its own variable names.
  mkdir -p "$dir/build/Release"
  cp "$dir/cvm_guest_attestation.node" "$dir/build/Release/"
  CVM_GUEST_ATTESTATION_PREBUILD=$dir ASAN_OPTIONS=detect_leaks=0:halt_on_error=1 \
    LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libstdc++.so)" \
    node node_modules/vitest/vitest.mjs run --testTimeout 120000 --hookTimeout 180000 "${addon_tests[@]}"
}

case $what in
  core) core ;;
  threads) threads ;;
  valgrind) memcheck ;;
  addon) addon ;;
  all) core; threads; memcheck; addon ;;
  *) echo "unknown: $what" >&2; exit 2 ;;
esac
say "passed: $what"
