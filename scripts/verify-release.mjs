// verify-release.mjs [TAG]: refuses a release that is not whole. Run before publishing, in CI and by prepublishOnly.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { unfixed } from './openssl-advisories.mjs';

const root = new URL('..', import.meta.url);
const read = (path) => readFileSync(new URL(path, root));
const manifest = JSON.parse(read('package.json'));
const { version } = manifest;
const problems = [];

const tag = process.argv[2];
if (tag !== undefined && tag !== `v${version}`) problems.push(`the tag is ${tag}, package.json says ${version}`);
if (!read('CHANGELOG.md').toString().includes(`\n## ${version}`))
  problems.push(`CHANGELOG.md has no section "## ${version}"`);

// The owner's to say: a package that nobody can trace to its source, or report a fault in, is not published.
const addresses = { repository: manifest.repository?.url, homepage: manifest.homepage, bugs: manifest.bugs?.url };
for (const [member, address] of Object.entries(addresses)) {
  if (typeof address !== 'string' || !/^(git\+)?https:\/\/\S+$/.test(address)) {
    problems.push(`package.json has no ${member} that is an https address`);
  }
}

const versions = new Set();
for (const platform of ['linux-x64', 'linux-arm64']) {
  const record = `prebuilds/${platform}/built-with.json`;
  if (!existsSync(new URL(record, root))) {
    problems.push(`${record} is missing: npm run build:prebuilds -- x64 arm64`);
    continue;
  }
  const { file, sha256, openssl } = JSON.parse(read(record));
  const actual = createHash('sha256')
    .update(read(`prebuilds/${platform}/${file}`))
    .digest('hex');
  if (actual !== sha256) problems.push(`prebuilds/${platform}/${file} is not the file that built-with.json describes`);
  versions.add(openssl.package);
  for (const { id, fixedIn } of unfixed(openssl.package)) {
    problems.push(`prebuilds/${platform} carries OpenSSL ${openssl.package} without the fix of ${id} (in ${fixedIn})`);
  }
  const pinned = /^CGA_OPENSSL_VERSION=(\S+)$/m.exec(read('cmake/openssl.env').toString())?.[1];
  if (openssl.package !== pinned) {
    problems.push(`prebuilds/${platform} carries OpenSSL ${openssl.package}, cmake/openssl.env says ${pinned}`);
  }
}
if (versions.size > 1) problems.push(`the platforms carry different OpenSSL builds: ${[...versions].join(', ')}`);

for (const problem of problems) console.error(`[release] ${problem}`);
process.exitCode = problems.length > 0 ? 1 : 0;
