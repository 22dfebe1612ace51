# Sourced: debian13_apt DIR defines apt_get and apt_cache over Debian 13's own lists, in DIR, without touching the machine's.
# Lists are taken only when Debian's archive key has signed them.
debian13_apt() {
  local dir=$1 keyring=${CGA_DEBIAN_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}
  [ -r "$keyring" ] || { echo "Debian's archive keys are missing: apt-get install debian-archive-keyring" >&2; return 1; }
  mkdir -p "$dir"/{state/lists/partial,cache/archives/partial}
  local kind suite
  for kind in deb deb-src; do
    for suite in 'debian trixie' 'debian trixie-updates' 'debian-security trixie-security'; do
      echo "$kind [signed-by=$keyring] ${CGA_DEBIAN_MIRROR:-http://deb.debian.org}/${suite% *} ${suite#* } main"
    done
  done >"$dir/sources.list"
  debian13_options=(-q -o "Dir::State=$dir/state" -o Dir::State::status=/dev/null -o "Dir::Cache=$dir/cache"
    -o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User= -o Acquire::Retries=3
    -o Acquire::Languages=none -o APT::Architecture=amd64 -o APT::Architectures::=amd64 -o APT::Architectures::=arm64)
  apt-get -qq "${debian13_options[@]}" update
}
