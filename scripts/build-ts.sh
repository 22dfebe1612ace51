#!/usr/bin/env bash
# Compiles lib/ to dist/, from scratch: a module that was renamed must not live on in the package.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf dist
node_modules/.bin/tsc -p tsconfig.build.json
if [ -f dist/cli/main.js ]; then chmod +x dist/cli/main.js; fi
