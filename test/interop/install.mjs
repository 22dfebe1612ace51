import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const run = promisify(execFile);

export const here = fileURLToPath(new URL('.', import.meta.url));
/** Everything that is installed or built, not in version control. */
export const folder = fileURLToPath(new URL('../../.interop/', import.meta.url));

const npmPackages = [
  '@phala/dcap-qvl@0.3.9',
  '@azure/keyvault-keys@4.10.2',
  '@azure/attestation@1.0.0',
  '@azure/core-auth',
];
const pythonPackages = ['azure-security-attestation', 'cryptography', 'joserfc', 'tpm2-pytss'];

/**
 * Installs one foreign program; resolves with the reason where that cannot be done.
 *
 * @param {() => Promise<unknown>} install
 * @returns {Promise<string | undefined>}
 */
async function attempt(install) {
  try {
    await mkdir(folder, { recursive: true });
    await install();
    return undefined;
  } catch (error) {
    const text = `${error.stderr ?? ''}${error.message ?? error}`.trim();
    return error.code === 'ENOENT' ? `there is no program ${error.path ?? ''}` : (text.split('\n').at(-1) ?? 'unknown');
  }
}

/** Builds a Rust project unless its program is newer than its sources: cargo itself would wait for whoever builds there. */
async function cargo(project, program) {
  const changed = async (path) => (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;
  const sources = await Promise.all(['Cargo.toml', 'src/main.rs'].map((path) => changed(`${here}${project}/${path}`)));
  if ((await changed(`${folder}cargo/release/${program}`)) > Math.max(...sources)) return;
  await run('cargo', ['build', '--release', '--quiet', '--manifest-path', `${here}${project}/Cargo.toml`], {
    env: { ...process.env, CARGO_TARGET_DIR: `${folder}cargo` },
    maxBuffer: 1 << 26,
  });
}

const library = (name, source) =>
  run('cc', ['-shared', '-fPIC', '-O2', '-Wall', '-o', `${folder}${name}`, `${here}tcti/${source}`]);

/** Each resolves with undefined, or with why it is not there. */
export const installers = {
  go: () => attempt(() => run('go', ['build', '-o', `${folder}witness-go`, '.'], { cwd: `${here}witness-go` })),
  rust: () => attempt(() => cargo('witness-rust', 'witness')),
  rustGuest: () => attempt(() => cargo('guest-rust', 'guest')),
  azureSdkGuest: () => attempt(() => cargo('guest-azure-sdk', 'guest-azure-sdk')),
  tcti: () => attempt(() => library('libtss2-tcti-device.so.0', 'forward.c')),
  machine: () => attempt(() => library('machine.so', 'machine.c')),
  npm: () =>
    attempt(async () => {
      if (existsSync(`${folder}npm/node_modules/@azure/attestation`)) return;
      await run('npm', ['install', '--no-save', '--silent', '--prefix', `${folder}npm`, ...npmPackages]);
    }),
  python: () =>
    attempt(async () => {
      const installed = ['azure/security/attestation', 'cryptography', 'joserfc', 'tpm2_pytss'];
      if (installed.every((module) => existsSync(`${folder}python/${module}`))) return;
      await run('python3', [
        ...['-m', 'pip', 'install', '--quiet', '--upgrade', '--target', `${folder}python`],
        ...pythonPackages,
      ]);
    }),
  tpm2Tools: () => attempt(() => run('tpm2_getcap', ['--version'])),
};

export const pythonPath = { PYTHONPATH: `${folder}python` };

/** Version of a Go module that the witness is built with. */
export async function goVersion(module) {
  const text = await readFile(`${here}witness-go/go.mod`, 'utf8');
  return new RegExp(`${module} v(\\S+)`).exec(text)?.[1] ?? 'unknown';
}

/** Folder of a Go module's sources, with what it ships as test data. */
export async function goFolder(module) {
  const { stdout } = await run('go', ['list', '-m', '-f', '{{.Dir}}', module], { cwd: `${here}witness-go` });
  return stdout.trim();
}

/** Folder of a crate's sources, with what it ships as test data. */
export async function crateFolder(project, crate) {
  const parameters = ['metadata', '--format-version', '1', '--manifest-path', `${here}${project}/Cargo.toml`];
  const { stdout } = await run('cargo', parameters, { maxBuffer: 1 << 26 });
  const { manifest_path: path } = JSON.parse(stdout).packages.find(({ name }) => name === crate);
  return dirname(path);
}

/** Version of a Rust crate that a project is built with. */
export async function crateVersion(project, crate) {
  const text = await readFile(`${here}${project}/Cargo.toml`, 'utf8');
  return new RegExp(`^${crate} = .*?"=?([\\d.]+)"`, 'm').exec(text)?.[1] ?? 'unknown';
}

export async function npmVersion(name) {
  return JSON.parse(await readFile(`${folder}npm/node_modules/${name}/package.json`, 'utf8')).version;
}

export async function pythonVersion(distribution) {
  const program = `import importlib.metadata as m; print(m.version(${JSON.stringify(distribution)}))`;
  const { stdout } = await run('python3', ['-c', program], { env: { ...process.env, ...pythonPath } });
  return stdout.trim();
}
