// Known advisories against the OpenSSL inside the addon.
//
//   openssl-advisories.mjs --version VERSION   fails when Debian's VERSION lacks the fix of one of them
//   openssl-advisories.mjs --built FILE...     the same for the version that a built-with.json names
//   openssl-advisories.mjs --newer A B         succeeds when version A is newer than B
import { readFileSync } from 'node:fs';

const { advisories } = JSON.parse(readFileSync(new URL('openssl-advisories.json', import.meta.url), 'utf8'));

/** Order of Debian versions without an epoch: digits as numbers, `~` before everything, even the end. */
export function compareVersions(a, b) {
  const parts = (text) => text.match(/\d+|~|[^\d~]+/g) ?? [];
  const [left, right] = [parts(a), parts(b)];
  const rank = (part) => (part === undefined ? 1 : part === '~' ? 0 : 2);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const [x, y] = [left[i], right[i]];
    if (x === y) continue;
    if (rank(x) !== rank(y)) return rank(x) - rank(y);
    if (/^\d/.test(x) && /^\d/.test(y)) return Number(x) - Number(y);
    return x < y ? -1 : 1;
  }
  return 0;
}

/** Those of them whose fix `version` lacks. */
export const unfixed = (version) => advisories.filter(({ fixedIn }) => compareVersions(version, fixedIn) < 0);

function check(version, where) {
  const open = unfixed(version);
  for (const { id, what, fixedIn } of open) console.error(`[openssl] ${where}: ${id} (${what}) is fixed in ${fixedIn}`);
  return open.length === 0;
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const [mode, ...values] = process.argv.slice(2);
  if (mode === '--newer') process.exit(compareVersions(values[0], values[1]) > 0 ? 0 : 1);
  const versions =
    mode === '--version'
      ? values.map((version) => [version, version])
      : values.map((file) => [JSON.parse(readFileSync(file, 'utf8')).openssl.package, file]);
  if (versions.length === 0) throw new Error('--version VERSION or --built FILE...');
  if (!versions.map(([version, where]) => check(version, where)).every(Boolean)) process.exitCode = 1;
}
