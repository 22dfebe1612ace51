#!/usr/bin/env bash
# test-fresh.sh [COMMAND ...]: the README's two commands (or those given) on a machine that has nothing but Debian 12, this
# Node and git: a new chroot with a clone of HEAD, removed afterwards. Root and a Debian mirror are needed.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" -eq 0 ] || { echo 'a chroot needs root' >&2; exit 1; }
command -v debootstrap >/dev/null || { echo 'install debootstrap first' >&2; exit 1; }
repository=$PWD
node=$(readlink -f "$(command -v node)")
npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
work=$(mktemp -d)
root=$work/tree
mounted=()
cleanup() {
  for ((i = ${#mounted[@]} - 1; i >= 0; i--)); do umount "${mounted[i]}"; done
  rm -rf --one-file-system "$work"
}
trap cleanup EXIT

echo '[fresh] making a Debian 12 with git and nothing else'
debootstrap --variant=minbase --include=ca-certificates,git bookworm "$root" http://deb.debian.org/debian >"$work/log" 2>&1 ||
  { tail -20 "$work/log" >&2; exit 1; }
install -D "$node" "$root/usr/local/bin/node"
mkdir -p "$root/usr/local/lib/node_modules" "$root/clone-of"
cp -a "$npm" "$root/usr/local/lib/node_modules/npm"
for tool in npm npx; do ln -s "../lib/node_modules/npm/bin/$tool-cli.js" "$root/usr/local/bin/$tool"; done
# How this machine reaches the network, so that the new one can.
cp /etc/resolv.conf /etc/hosts "$root/etc/"
cp -a /etc/ssl/certs/. "$root/etc/ssl/certs/"
for file in proc dev dev/pts sys; do mount --bind "/$file" "$root/$file"; mounted+=("$root/$file"); done
mount --bind -o ro "$repository" "$root/clone-of"
mounted+=("$root/clone-of")

inside() {
  chroot "$root" /usr/bin/env -i HOME=/srv PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin LANG=C.UTF-8 \
    "NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-}" "http_proxy=${http_proxy:-}" "https_proxy=${https_proxy:-}" bash -c "$1"
}
timed() { local start=$SECONDS; inside "cd /srv/clone && $1"; echo "[fresh] $1: $((SECONDS - start)) s"; }
inside 'git config --global --add safe.directory "*" && git clone -q /clone-of /srv/clone'
[ $# -gt 0 ] || set -- 'npm run demo' 'npm test' 'npm run setup' 'npm run demo'
for command in "$@"; do timed "$command"; done
inside 'ls -A /tmp' | sed 's/^/[fresh] left in \/tmp: /'
