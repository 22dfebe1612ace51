#!/usr/bin/env bash
# test-fresh.sh [COMMAND ...]: the README's two commands (or those given) on a machine that has nothing but Debian 12, this
# Node and git, removed afterwards (scripts/debian-chroot.sh).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian-chroot.sh

echo '[fresh] making a Debian 12 with git and nothing else'
chroot_make bookworm
[ $# -gt 0 ] || set -- 'npm run demo' 'npm test' 'npm run setup' 'npm run demo'
for command in "$@"; do
  start=$SECONDS
  chroot_run "$command"
  echo "[fresh] $command: $((SECONDS - start)) s"
done
chroot_run 'ls -A /tmp' | sed 's/^/[fresh] left in \/tmp: /'
