#!/usr/bin/env bash
# Azure's own client of Key Vault, unmodified, against the simulated vault: the package of test/azure-sdk/package-lock.json.
# Arguments go to vitest.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh
if [ test/azure-sdk/package-lock.json -nt test/azure-sdk/node_modules/.package-lock.json ]; then
  echo "[azure-sdk] installing the package"
  npm ci --prefix test/azure-sdk --no-audit --no-fund --loglevel=error
  touch test/azure-sdk/node_modules/.package-lock.json
fi
exec npx vitest run --config test/azure-sdk/vitest.config.ts "$@"
