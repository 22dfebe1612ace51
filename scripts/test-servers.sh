#!/usr/bin/env bash
# Tests against real servers: Redis, PostgreSQL and nginx of the distribution, installed when missing and started by the
# tests on loopback and Unix sockets in temporary folders; client packages from test/servers/package-lock.json. Nothing is
# left running. Arguments go to vitest.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh

packages=()
for package in redis-server postgresql nginx-light; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || packages+=("$package")
done
# Any nginx will do, and any PostgreSQL server.
if command -v nginx >/dev/null || [ -x /usr/sbin/nginx ]; then packages=("${packages[@]/nginx-light/}"); fi
if compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then packages=("${packages[@]/postgresql/}"); fi
read -ra packages <<<"${packages[*]:-}"
if [ ${#packages[@]} -gt 0 ]; then
  sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "these packages are missing: apt-get install ${packages[*]}" >&2; exit 1; }
    sudo=(sudo)
  fi
  echo "[servers] installing ${packages[*]}"
  # policy-rc.d is respected where there is one; elsewhere the distribution may start its own instance, on its own port.
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 \
    install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi
if [ test/servers/package-lock.json -nt test/servers/node_modules/.package-lock.json ]; then
  echo "[servers] installing client packages"
  npm ci --prefix test/servers --no-audit --no-fund --loglevel=error
  touch test/servers/node_modules/.package-lock.json
fi
exec npx vitest run --config test/servers/vitest.config.ts "$@"
