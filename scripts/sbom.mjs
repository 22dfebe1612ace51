// Writes sbom.cdx.json (CycloneDX 1.5): the npm packages that an install brings, and what is compiled into the shipped
// addons, from the record that scripts/build-prebuilds.sh leaves beside each of them. The same inputs give the same bytes.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('..', import.meta.url);
const read = (path) => readFileSync(new URL(path, root));
const manifest = JSON.parse(read('package.json'));

const bom = JSON.parse(
  execFileSync('npm', ['sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev'], {
    cwd: fileURLToPath(root),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }),
);
bom.metadata.component.name = manifest.name; // npm puts the folder's name there
const product = bom.metadata.component['bom-ref'];
const dependsOn = (ref) => bom.dependencies.find((entry) => entry.ref === ref).dependsOn;

for (const folder of readdirSync(new URL('prebuilds/', root), { withFileTypes: true })) {
  if (!folder.isDirectory()) continue;
  const path = `prebuilds/${folder.name}`;
  if (!existsSync(new URL(`${path}/built-with.json`, root)))
    throw new Error(`${path} has no built-with.json: run npm run build:prebuilds`);
  const builtWith = JSON.parse(read(`${path}/built-with.json`));
  const parts = nativeParts(builtWith);
  for (const part of parts) {
    if (!bom.components.some((component) => component['bom-ref'] === part['bom-ref'])) {
      bom.components.push(part);
      bom.dependencies.push({ ref: part['bom-ref'], dependsOn: [] });
    }
  }
  const addon = {
    'bom-ref': path,
    type: 'file',
    name: `${path}/${builtWith.file}`,
    scope: 'required',
    hashes: [{ alg: 'SHA-256', content: sha256(read(`${path}/${builtWith.file}`)) }],
  };
  if (addon.hashes[0].content !== builtWith.sha256)
    throw new Error(`${addon.name} is not the file that built-with.json describes`);
  bom.components.push(addon);
  bom.dependencies.push({ ref: path, dependsOn: parts.map((part) => part['bom-ref']) });
  dependsOn(product).push(path);
}

// Time and serial number follow from the contents: a rebuilt package has the same SBOM.
const epoch = Number(process.env.SOURCE_DATE_EPOCH ?? commitTime());
bom.metadata.timestamp = new Date(epoch * 1000).toISOString();
delete bom.serialNumber;
const digest = sha256(JSON.stringify(bom));
bom.serialNumber = `urn:uuid:${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-8${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
writeFileSync(new URL('sbom.cdx.json', root), `${JSON.stringify(bom, null, 2)}\n`);
console.log(`sbom.cdx.json: ${bom.components.length} components`);

function nativeParts({ openssl, compiler, nodeAddonApi, nodeApiHeaders }) {
  const licensed = (id) => [{ license: { id } }];
  return [
    {
      'bom-ref': `openssl@${openssl.package}`,
      type: 'library',
      name: 'openssl',
      version: openssl.version,
      description: 'libcrypto, statically linked, symbols hidden',
      scope: 'required',
      licenses: licensed('Apache-2.0'),
      cpe: `cpe:2.3:a:openssl:openssl:${openssl.version}:*:*:*:*:*:*:*`,
      purl: `pkg:deb/debian/openssl@${encodeURIComponent(openssl.package)}?arch=source`,
    },
    {
      'bom-ref': `libstdc++@${compiler.version}`,
      type: 'library',
      name: 'libstdc++',
      version: compiler.version,
      description: 'statically linked',
      scope: 'required',
      licenses: [{ expression: 'GPL-3.0-or-later WITH GCC-exception-3.1' }],
      purl: `pkg:generic/gcc@${compiler.version}`,
    },
    ...[
      ['node-addon-api', nodeAddonApi],
      ['node-api-headers', nodeApiHeaders],
    ].map(([name, version]) => ({
      'bom-ref': `${name}@${version}`,
      type: 'library',
      name,
      version,
      description: 'headers, compiled in',
      scope: 'required',
      licenses: licensed('MIT'),
      purl: `pkg:npm/${name}@${version}`,
    })),
  ];
}

function sha256(data) {
  return createHash('sha256').update(data).digest('hex');
}

function commitTime() {
  try {
    return execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: fileURLToPath(root), encoding: 'utf8' }).trim();
  } catch {
    return 0;
  }
}
