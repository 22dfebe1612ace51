// Next.js in its default build, Jest in CommonJS and ESM, vitest, and the type checker under each module resolution.
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { absent, lastWords, root, row, rowOf, run, tool, versionOf, workspace } from './workspace.mjs';

const WHOLE = 'cvm-guest-attestation';
const VERIFY = 'cvm-guest-attestation/verify';

/** A project of its own that sees the tools and the package. */
function project(name, files) {
  const folder = join(workspace, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  for (const file of ['check.mjs', 'vector.json']) cpSync(join(workspace, file), join(folder, file));
  return folder;
}

const NEXT_PORT = 28_788;

export async function nextRows() {
  if (!existsSync(tool('next'))) return [absent('Next.js', VERIFY, 'its npm package could not be had')];
  const route = (entry) => `import * as api from '${entry}';
import { checkRuntime } from '../../check.mjs';
import vector from '../../vector.json';
export const dynamic = 'force-dynamic';
export async function GET() { return Response.json(await checkRuntime(api, vector)); }
`;
  const folder = project('next-project', {
    'package.json': '{ "name": "next-project", "private": true }\n',
    'app/layout.js': 'export default function Layout({ children }) { return <html><body>{children}</body></html>; }\n',
    'app/page.js': 'export default function Page() { return <p>hello</p>; }\n',
    'app/verify/route.js': route(VERIFY),
    'app/whole/route.js': route(WHOLE),
  });
  // Next.js takes nothing from folders above the project.
  for (const name of ['next', 'react', 'react-dom', WHOLE]) link(folder, name);
  const env = { NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' };
  const next = tool('next/dist/bin/next');
  const built = await run(process.execPath, [next, 'build'], { cwd: folder, env, seconds: 300 });
  const version = versionOf('next');
  if (built.code !== 0) {
    return [VERIFY, WHOLE].map((entry) => ({
      runtime: 'Next.js',
      entry,
      version,
      ok: false,
      why: lastWords(built.output),
    }));
  }
  const server = spawn(process.execPath, [next, 'start', '-p', String(NEXT_PORT), '-H', '127.0.0.1'], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: 'ignore',
    detached: true,
  });
  try {
    const rows = [];
    for (const [entry, path] of [
      [VERIFY, 'verify'],
      [WHOLE, 'whole'],
    ]) {
      const answer = await patiently(`http://127.0.0.1:${NEXT_PORT}/${path}`);
      if (answer?.ok) rows.push(rowOf('Next.js', entry, version, await answer.json()));
      else rows.push({ runtime: 'Next.js', entry, version, ok: false, why: `status ${answer?.status}` });
    }
    return rows;
  } finally {
    process.kill(-server.pid, 'SIGKILL');
  }
}

function link(folder, name) {
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  if (name === WHOLE) cpSync(tool(name), join(folder, 'node_modules', name), { recursive: true });
  else symlinkSync(tool(name), join(folder, 'node_modules', name));
}

async function patiently(url) {
  for (let attempt = 0; attempt < 80; attempt++) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  return undefined;
}

export async function testRunnerRows() {
  const rows = [];
  const print = "console.log('RESULT ' + JSON.stringify(result));";
  const esm = `import * as api from 'ENTRY';
import { checkRuntime } from './check.mjs';
import vector from './vector.json' with { type: 'json' };
test('runs', async () => { const result = await checkRuntime(api, vector); process.stdout.write('RESULT ' + JSON.stringify(result) + '\\n'); }, 60000);
`;
  if (!existsSync(tool('jest'))) rows.push(absent('Jest', VERIFY, 'its npm package could not be had'));
  else {
    for (const entry of [VERIFY, WHOLE]) {
      const cjs = project('jest-cjs', {
        'package.json': '{ "name": "jest-cjs", "private": true }\n',
        'jest.config.js': "module.exports = { testEnvironment: 'node', testMatch: ['**/*.test.js'] };\n",
        'runs.test.js': `const api = require('${entry}');
const vector = require('./vector.json');
const { checkRuntime } = require('./check.js');
test('runs', async () => { const result = await checkRuntime(api, vector); ${print.replace('console.log(', 'process.stdout.write(').replace(');', " + '\\n');")} }, 60000);
`,
      });
      writeFileSync(join(cjs, 'check.js'), commonJsCheck());
      const version = versionOf('jest');
      rows.push(
        row('Jest, CommonJS', entry, version, await run(process.execPath, [tool('jest/bin/jest.js')], { cwd: cjs })),
      );
      const module = project('jest-esm', {
        'package.json': '{ "name": "jest-esm", "private": true, "type": "module" }\n',
        'jest.config.js':
          "export default { testEnvironment: 'node', testMatch: ['**/*.test.mjs'], transform: {}, moduleFileExtensions: ['js', 'mjs', 'json'] };\n",
        'runs.test.mjs': esm.replace('ENTRY', entry).replace(" with { type: 'json' }", ''),
      });
      const args = ['--experimental-vm-modules', tool('jest/bin/jest.js')];
      rows.push(row('Jest, ESM', entry, version, await run(process.execPath, args, { cwd: module })));
    }
  }
  for (const entry of [VERIFY, WHOLE]) {
    const folder = project('vitest-project', {
      'package.json': '{ "name": "vitest-project", "private": true, "type": "module" }\n',
      'vitest.config.mjs': "export default { test: { globals: true, include: ['*.test.mjs'] } };\n",
      'runs.test.mjs': esm.replace('ENTRY', entry).replace(" with { type: 'json' }", ''),
    });
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    rows.push(
      row('vitest', entry, 'as in package.json', await run(process.execPath, [vitest, 'run'], { cwd: folder })),
    );
  }
  return rows;
}

/** The same checks as a CommonJS module. */
function commonJsCheck() {
  const { readFileSync } = process.getBuiltinModule('node:fs');
  const text = readFileSync(join(workspace, 'check.mjs'), 'utf8');
  return `${text.replace('export async function', 'async function')}\nmodule.exports = { checkRuntime };\n`;
}

export async function typeRows() {
  const rows = [];
  const program = `import { verifyToken, type Evidence, AttestationError } from '${WHOLE}';
import * as verify from '${VERIFY}';
import { SimulatedCvm } from '${WHOLE}/simulator';
import * as servers from '${WHOLE}/relying-party';
export async function use(token: string, evidence: Evidence): Promise<string | undefined> {
  const claims = await verify.verifyToken(token, { issuer: 'https://a.example', tee: 'snp' });
  const measurement: string | undefined = claims['x-ms-isolation-tee']['x-ms-sevsnpvm-launchmeasurement'];
  const tdx = await verifyToken(token, { issuer: 'https://a.example', attestationType: 'tdxvm' });
  const mrtd: string | undefined = tdx.tdx_mrtd;
  void [measurement, mrtd, evidence, AttestationError, SimulatedCvm, servers];
  return claims['x-ms-azurevm-vmid'];
}
`;
  const version = (await run(join(root, 'node_modules/.bin/tsc'), ['--version'])).output.trim();
  for (const [name, module, resolution] of [
    ['node16', 'node16', 'node16'],
    ['nodenext', 'nodenext', 'nodenext'],
    ['bundler', 'esnext', 'bundler'],
  ]) {
    const folder = project(`types-${name}`, { 'package.json': '{ "type": "module" }\n', 'use.ts': program });
    mkdirSync(join(folder, 'node_modules/@types'), { recursive: true });
    for (const types of ['node'])
      symlinkSync(join(root, 'node_modules/@types', types), join(folder, 'node_modules/@types', types));
    const args = [
      '--ignoreConfig',
      '--noEmit',
      '--strict',
      '--target',
      'es2022',
      '--lib',
      'es2023,dom,esnext.disposable',
      '--types',
      'node',
    ];
    const result = await run(
      join(root, 'node_modules/.bin/tsc'),
      [...args, '--module', module, '--moduleResolution', resolution, '--skipLibCheck', 'false', 'use.ts'],
      { cwd: folder },
    );
    const why = result.code === 0 ? '' : lastWords(result.output);
    rows.push({ runtime: `TypeScript, ${name}`, entry: 'all', version, ok: result.code === 0, checks: 1, why });
  }
  return rows;
}
