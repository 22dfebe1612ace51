#!/usr/bin/env bash
# The C++ unit tests and the vitest suite under sanitizers.
#
#   npm run test:sanitize                               all of:
#   npm run test:sanitize -- core                       C++ tests: AddressSanitizer, UndefinedBehaviorSanitizer, LeakSanitizer
#   npm run test:sanitize -- threads                    C++ tests: ThreadSanitizer
#   npm run test:sanitize -- valgrind                   C++ tests of the TPM core: memcheck
#   npm run test:sanitize -- addon [FILES...]           vitest with an addon under ASan, UBSan and LSan
#   npm run test:sanitize -- addon-threads [FILES...]   vitest with an addon under TSan
#
# In the last two, node is the ordinary one and the addon alone is instrumented. First a test addon's planted defects must be
# found; then what concerns node alone is sorted out of the reports (scripts/sanitizer-reports.mjs).
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\n[sanitize] %s\n' "$*"; }
die() { say "$*" >&2; exit 1; }

what=${1:-all}
[ $# -eq 0 ] || shift
files=("$@")
suppressions=$PWD/cpp/test/sanitizer/tsan.supp

bash scripts/setup.sh

core() {
  say 'C++ tests: AddressSanitizer, UndefinedBehaviorSanitizer, LeakSanitizer'
  ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1 \
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
    BUILD_DIR=build-asan BUILD_TYPE=Debug SANITIZE=address,undefined bash scripts/test-cpp.sh
}

threads() {
  say 'C++ tests: ThreadSanitizer'
  TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=$suppressions \
    BUILD_DIR=build-tsan BUILD_TYPE=Debug SANITIZE=thread bash scripts/test-cpp.sh
}

memcheck() {
  say 'C++ tests of the TPM core: valgrind'
  if ! command -v valgrind >/dev/null; then
    sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo)
    say 'installing valgrind'
    "${sudo[@]}" apt-get update -qq || say 'apt-get update had errors; trying with the lists at hand'
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends valgrind libc6-dbg >/dev/null
  fi
  BUILD_TYPE=Debug BUILD_DIR=build-valgrind bash scripts/test-cpp.sh --count >/dev/null
  valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite \
    --trace-children=no build-valgrind/core_tests --source-file='*cpp/test/tpm/*'
}

# --- inside node ------------------------------------------------------------------------------------------------------

# Sets `dir`, the build folder of an addon under these sanitizers, and `reports`, the folder for what they write.
build_addon() { # build_addon NAME SANITIZERS
  dir=$PWD/build/$1 reports=$PWD/build/$1/reports
  mkdir -p "$dir"
  cmake -S . -B "$dir" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCGA_SANITIZE="$2" >"$dir/cmake.log" ||
    { cat "$dir/cmake.log"; exit 1; }
  cmake --build "$dir" --target cvm_guest_attestation sanitizer_check -- --quiet
  # Where node-gyp-build looks below the folder that its own variable names.
  mkdir -p "$dir/build/Release"
  cp "$dir/cvm_guest_attestation.node" "$dir/build/Release/"
}

# Runs node with a sanitizer's runtime, and has tests do the same with every node that will load this addon; with no other
# program: test/sanitized-node.ts.
node_with() { # node_with RUNTIME ARGUMENTS...
  printf '#!/bin/sh\n[ -z "$CVM_GUEST_ATTESTATION_PREBUILD" ] || export LD_PRELOAD="%s"\nexec "%s" "$@"\n' \
    "$1" "$(command -v node)" >"$dir/node"
  chmod +x "$dir/node"
  shift
  CVM_GUEST_ATTESTATION_PREBUILD=$dir SANITIZED_NODE=$dir/node "$dir/node" "$@"
}

asan_node() {
  local common="log_path=$reports/report:exitcode=0:stack_trace_format='    #%n %p %F %L %M'"
  # exitcode=0: leaks are counted afterwards. What is found at once aborts the process; UBSan says it on stderr alone.
  ASAN_OPTIONS="detect_leaks=1:abort_on_error=1:detect_stack_use_after_return=1:strict_string_checks=1:$common" \
    UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1:print_stacktrace=1 \
    node_with "$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libstdc++.so)" "$@"
}

tsan_node() {
  TSAN_OPTIONS="log_path=$reports/report:exitcode=0:history_size=7:second_deadlock_stack=1:suppressions=$suppressions" \
    node_with "$(gcc -print-file-name=libtsan.so)" "$@"
}

empty_reports() { rm -rf "$reports"; mkdir -p "$reports"; }

must_find() { # must_find NODE DEFECT...
  local node=$1 defect; shift
  for defect in "$@"; do
    empty_reports
    (ulimit -c 0; "$node" -e "require('$dir/sanitizer_check.node').$defect()") >/dev/null 2>"$reports/stderr" || true
    local found=0
    node scripts/sanitizer-reports.mjs "$reports" >/dev/null || found=$?
    [ $found -eq 3 ] || die "the planted defect was not found: $defect"
  done
  say "planted defects were found: $*"
}

# Tests of what a sanitizer changes by its nature: where in a process copies of a secret lie (its shadow of some terabytes
# would be looked through as well, and stacks that it keeps to find their late use), and calls in a limited address space.
about_memory=()
for file in memory release-memory key-reading out-of-memory; do about_memory+=(--exclude "test/hardening/$file.test.ts"); done

run_vitest() { # run_vitest NODE FILES...
  local node=$1 status=0; shift
  empty_reports
  (ulimit -c 0; "$node" node_modules/vitest/vitest.mjs run \
    --testTimeout 120000 --hookTimeout 180000 "${about_memory[@]}" "$@" 2> >(tee "$reports/stderr" >&2)) || status=$?
  node scripts/sanitizer-reports.mjs "$reports" || status=1
  return $status
}

addon() {
  [ $# -gt 0 ] || set -- test/
  say "vitest with an addon under AddressSanitizer, UndefinedBehaviorSanitizer and LeakSanitizer: $*"
  build_addon asan address,undefined
  must_find asan_node overflow undefined leak
  SANITIZER_CHECK=$dir/sanitizer_check.node run_vitest asan_node "$@"
}

addon_threads() {
  # Where threads of the addon work at the same time, or end amid work. test/guest/endurance.test.ts is not for this: it
  # measures memory, of which ThreadSanitizer takes its own.
  [ $# -gt 0 ] || set -- test/tpm/ test/guest/{abort,close,concurrency}.test.ts \
    test/content/{guest,memory-in-use,random-access,session,stream,threads}.test.ts \
    test/hardening/{soak,tcti-patience,tpm-faults}.test.ts
  say "vitest with an addon under ThreadSanitizer: $*"
  build_addon tsan thread
  must_find tsan_node race
  run_vitest tsan_node "$@"
}

case $what in
  core) core ;;
  threads) threads ;;
  valgrind) memcheck ;;
  addon) addon "${files[@]}" ;;
  addon-threads) addon_threads "${files[@]}" ;;
  all) core; threads; memcheck; addon; addon_threads ;;
  *) echo "unknown: $what" >&2; exit 2 ;;
esac
say "passed: $what"
