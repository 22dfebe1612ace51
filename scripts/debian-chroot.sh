# Sourced: a machine that has nothing but a Debian release, this Node and git, with a clone of HEAD in /srv/clone. Root and a
# Debian mirror are needed; all of it goes when the caller ends.
#
#   chroot_make SUITE     sets chroot_tree
#   chroot_run COMMAND    runs in the clone
[ "$(id -u)" -eq 0 ] || { echo 'a chroot needs root' >&2; exit 1; }
command -v debootstrap >/dev/null || { echo 'install debootstrap first' >&2; exit 1; }
chroot_work=$(mktemp -d)
chroot_mounted=()
chroot_clean() {
  for ((i = ${#chroot_mounted[@]} - 1; i >= 0; i--)); do umount "${chroot_mounted[i]}"; done
  rm -rf --one-file-system "$chroot_work"
}
trap chroot_clean EXIT

chroot_make() {
  local node npm file tool
  chroot_tree=$chroot_work/$1
  node=$(readlink -f "$(command -v node)")
  npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
  debootstrap --variant=minbase --include=ca-certificates,git "$1" "$chroot_tree" "${CGA_DEBIAN_MIRROR:-http://deb.debian.org}/debian" \
    >"$chroot_work/log" 2>&1 || { tail -20 "$chroot_work/log" >&2; exit 1; }
  install -D "$node" "$chroot_tree/usr/local/bin/node"
  mkdir -p "$chroot_tree/usr/local/lib/node_modules"
  cp -a "$npm" "$chroot_tree/usr/local/lib/node_modules/npm"
  for tool in npm npx; do ln -s "../lib/node_modules/npm/bin/$tool-cli.js" "$chroot_tree/usr/local/bin/$tool"; done
  # A mount point, as the root of a machine is: unshare makes it private.
  mount --bind "$chroot_tree" "$chroot_tree"
  chroot_mounted+=("$chroot_tree")
  # How this machine reaches the network, so that the new one can.
  cp /etc/resolv.conf /etc/hosts "$chroot_tree/etc/"
  cp -a /etc/ssl/certs/. "$chroot_tree/etc/ssl/certs/"
  for file in proc dev dev/pts sys; do mount --bind "/$file" "$chroot_tree/$file"; chroot_mounted+=("$chroot_tree/$file"); done
  # Here, not in there: HEAD of a worktree is a clone of a folder that the new machine does not see.
  git clone -q . "$chroot_tree/srv/clone"
  chown -R root:root "$chroot_tree/srv/clone"
  # A copy: what is mounted from this file system would be deleted with the tree, should it not unmount.
  [ ! -d ../shared/fixtures ] || { mkdir -p "$chroot_tree/srv/shared" && cp -r ../shared/fixtures "$chroot_tree/srv/shared/"; }
}

chroot_run() {
  chroot "$chroot_tree" /usr/bin/env -i HOME=/srv PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin LANG=C.UTF-8 \
    "NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-}" "http_proxy=${http_proxy:-}" "https_proxy=${https_proxy:-}" \
    bash -c "cd /srv/clone && $1"
}
