#!/usr/bin/env bash
# Known vulnerabilities in what an install brings, and in the OpenSSL inside the addon. Fails on a finding; a registry that
# offers no audit, or a mirror that cannot be reached, is reported, not counted as a pass or a failure.
set -uo pipefail
cd "$(dirname "$0")/.."
report=$(npm audit --omit dev --json 2>/dev/null)
status=0
REPORT=$report node -e '
const report = JSON.parse(process.env.REPORT || "{}");
const counts = report.metadata?.vulnerabilities;
if (counts === undefined) {
  console.log("npm audit: not available from this registry, nothing was checked");
} else {
  console.log(`npm audit: ${counts.total} known vulnerabilities in ${report.metadata.dependencies.prod} packages`);
  for (const [name, { severity }] of Object.entries(report.vulnerabilities)) console.log(`  ${severity}: ${name}`);
  process.exitCode = counts.total > 0 ? 1 : 0;
}' || status=1

. cmake/openssl.env
node scripts/openssl-advisories.mjs --version "$CGA_OPENSSL_VERSION" || status=1
if known=$(bash scripts/openssl-pin.sh 2>/dev/null); then
  newest=$(sed -n 's/^binaries: .* //p;s/^binaries: \([^ ]*\)$/\1/p' <<<"$known" | head -1)
  if node scripts/openssl-advisories.mjs --newer "$newest" "$CGA_OPENSSL_VERSION"; then
    echo "OpenSSL: Debian 13 has $newest, newer than $CGA_OPENSSL_VERSION in the addon: read its changelog, then scripts/openssl-pin.sh"
    status=1
  else
    echo "OpenSSL: $CGA_OPENSSL_VERSION is Debian 13's newest, no known advisory unfixed"
  fi
else
  echo "OpenSSL: Debian's lists could not be read, nothing was compared"
fi
exit $status
