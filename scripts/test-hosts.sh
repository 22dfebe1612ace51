#!/usr/bin/env bash
# test-hosts.sh [SUITE ...] [-- COMMAND ...]: the prebuilds of HEAD, built on machines of several Debian releases, are the same
# bytes; then `npm test` (or the commands given) on each. Default: bookworm trixie (scripts/debian-chroot.sh).
#
#   ARCHITECTURES='x64 arm64'   which are built; empty for none
set -euo pipefail
cd "$(dirname "$0")/.."
suites=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do suites+=("$1"); shift; done
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- 'npm test'
[ ${#suites[@]} -gt 0 ] || suites=(bookworm trixie)
read -ra architectures <<<"${ARCHITECTURES-x64 arm64}"
. scripts/debian-chroot.sh
say() { printf '[hosts] %s\n' "$*"; }

status=0
for suite in "${suites[@]}"; do
  say "$suite: making a machine with git and nothing else"
  chroot_make "$suite"
  say "$suite: $(. "$chroot_tree/etc/os-release" && echo "$PRETTY_NAME"), glibc $(chroot_run 'ldd --version' | sed -n '1s/.* //p')"
  chroot_run 'npm run --silent setup'
  if [ ${#architectures[@]} -gt 0 ]; then
    chroot_run "npm run --silent build:prebuilds -- ${architectures[*]}"
    chroot_run 'sha256sum prebuilds/*/*.node' | tee "$chroot_work/sums-$suite"
    if ! cmp "$chroot_work/sums-${suites[0]}" "$chroot_work/sums-$suite"; then
      say "$suite has other bytes than ${suites[0]}"
      status=1
    fi
  fi
  for command in "$@"; do
    start=$SECONDS
    chroot_run "$command" || { status=1; say "$suite: failed: $command"; }
    say "$suite: $command: $((SECONDS - start)) s"
  done
done
[ $status -ne 0 ] || say "the same on ${suites[*]}"
exit $status
