#!/usr/bin/env bash
# test-azure-guide.sh [debian] [ubuntu]: runs those commands of docs/azure.md that need no Azure, each block as it stands,
# as the user `azureuser` of a new Debian 13 and a new Ubuntu 24.04 that have nothing but sudo: chroots, removed afterwards.
# A block runs where the comment `<!-- in a root: NAME… -->` before it says so. Needs root, debootstrap and their mirrors.
#
# Three things differ from a VM: the package comes from this tree, `npm pack`ed, instead of the registry; Ubuntu's Node, which
# the guide takes from snap (snapd needs systemd), is the one that scripts/nodes.sh fetches; and `doctor` may say that there
# is no TPM, and nothing worse.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" -eq 0 ] || { echo 'a chroot needs root' >&2; exit 1; }
command -v debootstrap >/dev/null || { echo 'install debootstrap first' >&2; exit 1; }
[ $# -gt 0 ] || set -- debian ubuntu
for name in "$@"; do case $name in debian | ubuntu) ;; *) echo "unknown: $name (debian, ubuntu)" >&2; exit 2 ;; esac; done
say() { printf '[azure-guide] %s\n' "$*"; }

work=$(mktemp -d)
mounted=()
cleanup() {
  for ((i = ${#mounted[@]} - 1; i >= 0; i--)); do umount "${mounted[i]}" || true; done
  rm -rf --one-file-system "$work"
}
trap cleanup EXIT

tarball=${CGA_TARBALL:-}
if [ -z "$tarball" ]; then
  npm pack --silent --pack-destination "$work" >/dev/null
  tarball=$(ls "$work"/*.tgz)
fi

# One file for each block, named after its line, of those that are for root $1.
blocks() {
  awk -v name="$1" -v dir="$2" '
    /^<!-- in a root: / { wanted = index($0, " " name) > 0; next }
    /^<!--/ { next }
    /^```sh/ { if (wanted) file = sprintf("%s/%03d.sh", dir, NR); inside = 1; next }
    /^```$/ { if (file) close(file); file = ""; inside = 0; wanted = 0; next }
    inside && file { print > file; next }
    !inside && NF { wanted = 0 }
  ' docs/azure.md
}

# The network as this machine has it, and a user as Azure makes one.
furnish() {
  cp /etc/resolv.conf /etc/hosts "$1/etc/"
  mkdir -p "$1/etc/ssl/certs"
  cp -aL /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/this-machine.crt"
  for file in proc dev dev/pts sys; do mount --bind "/$file" "$1/$file"; mounted+=("$1/$file"); done
  chroot "$1" bash -c 'useradd -m -s /bin/bash azureuser && echo "azureuser ALL=(ALL) NOPASSWD:ALL" >/etc/sudoers.d/azureuser'
  install -o 1000 -g 1000 -m 644 "$tarball" "$1/home/azureuser/package.tgz"
}

inside() { # ROOT SCRIPT
  chroot "$1" /usr/bin/env -i PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    NODE_EXTRA_CA_CERTS=/etc/ssl/certs/this-machine.crt "http_proxy=${http_proxy:-}" "https_proxy=${https_proxy:-}" \
    setpriv --reuid=1000 --regid=1000 --init-groups env HOME=/home/azureuser USER=azureuser bash -euo pipefail -c "cd && $2"
}

run_guide() { # NAME ROOT
  local dir=$work/$1-blocks failed=0
  mkdir "$dir"
  blocks "$1" "$dir"
  for block in "$dir"/*.sh; do
    say "$1, docs/azure.md:$((10#$(basename "$block" .sh)))"
    sed 's/^/  $ /' "$block"
    sed -i -e 's#npm install cvm-guest-attestation$#npm install --no-audit --no-fund ./package.tgz#' -e 's#^npx cvm-attest doctor$#npx cvm-attest doctor || echo "exit code $?"#' "$block"
    inside "$2" "$(cat "$block")" >"$block.out" 2>&1 || failed=1
    tail -n 25 "$block.out" | sed 's/^/    /'
    [ $failed -eq 0 ] || { say "$1: failed"; return 1; }
    # zsh reads it as bash does: pasted there, a comment after a command or a bare ? would not be.
    ! grep -qE '^[^#]*[[:space:]]#|https?://[^ "'\'']*\?' "$block" || { say "$1: zsh would trip over this block"; return 1; }
  done
  local out
  out=$(cat "$dir"/*.out)
  grep -q 'there is no /dev/tpmrm0' <<<"$out" || { say "$1: doctor did not get as far as the TPM device"; return 1; }
  ! grep -q 'native addon' <<<"$(grep -iE 'no native|cannot be loaded' <<<"$out")" || { say "$1: the addon did not load"; return 1; }
  inside "$2" 'id -nG | tr " " "\n" | grep -qx tss' || { say "$1: azureuser is not in the group tss"; return 1; }
  grep -rqsE 'KERNEL=="tpmrm\[0-9\]\*".*GROUP="tss"' "$2"/usr/lib/udev/rules.d "$2"/lib/udev/rules.d ||
    { say "$1: no udev rule gives /dev/tpmrm0 to the group tss"; return 1; }
  say "$1: every block ran; /dev/tpmrm0 belongs to the group tss; Node $(inside "$2" 'node --version')"
}

debian=$work/debian
say 'making a Debian 13 with sudo'
debootstrap --variant=minbase --include=ca-certificates,sudo trixie "$debian" http://deb.debian.org/debian >"$work/log" 2>&1 ||
  { tail -20 "$work/log" >&2; exit 1; }
furnish "$debian"
if [[ " $* " = *' ubuntu '* ]]; then
  # Debian 13 has the keys of Ubuntu's archive.
  say 'making an Ubuntu 24.04 with sudo'
  chroot "$debian" bash -c 'apt-get -qq update && apt-get -qq install -y --no-install-recommends debootstrap ubuntu-keyring' >"$work/log" 2>&1 ||
    { tail -20 "$work/log" >&2; exit 1; }
  chroot "$debian" debootstrap --variant=minbase --include=ca-certificates,sudo --components=main,universe noble /ubuntu \
    http://archive.ubuntu.com/ubuntu >"$work/log" 2>&1 || { tail -20 "$work/log" >&2; exit 1; }
  ubuntu=$work/ubuntu
  mv "$debian/ubuntu" "$ubuntu"
  chroot "$ubuntu" userdel -r ubuntu >/dev/null 2>&1 || true
  furnish "$ubuntu"
  bash scripts/nodes.sh 22
  install -D "$(readlink -f .nodes/22/bin/node)" "$ubuntu/usr/local/bin/node"
  mkdir -p "$ubuntu/usr/local/lib/node_modules"
  cp -a "$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")" "$ubuntu/usr/local/lib/node_modules/npm"
  for tool in npm npx; do ln -s "../lib/node_modules/npm/bin/$tool-cli.js" "$ubuntu/usr/local/bin/$tool"; done
fi
for name in "$@"; do run_guide "$name" "${!name}"; done
