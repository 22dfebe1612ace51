import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const script = fileURLToPath(new URL('../../examples/azure/deploy.sh', import.meta.url));
let folder: string;
let key: string;

/** A stand-in for the Azure CLI that writes down what it was asked: no subscription is at hand. */
const AZ = '#!/bin/sh\nprintf "%s\\n" "$*" >> "$AZ_CALLS"\n[ "$1" != account ] || [ -z "$SIGNED_OUT" ]\n';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'deploy-'));
  key = join(folder, 'id.pub');
  writeFileSync(key, 'ssh-ed25519 AAAA test\n');
  writeFileSync(join(folder, 'az'), AZ);
  chmodSync(join(folder, 'az'), 0o755);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function deploy(env: Record<string, string>, ...args: string[]) {
  const calls = join(folder, 'calls');
  rmSync(calls, { force: true });
  const { status, stderr, stdout } = spawnSync('bash', [script, ...args], {
    env: { PATH: `${folder}:/usr/bin:/bin`, HOME: folder, AZ_CALLS: calls, SIGNED_OUT: '', ...env },
    encoding: 'utf8',
  });
  let asked = '';
  try {
    asked = readFileSync(calls, 'utf8');
  } catch {
    // nothing was asked
  }
  return { status, stderr, stdout, asked };
}

describe('examples/azure/deploy.sh', () => {
  it('creates the group and deploys the template with the image that it was given', () => {
    const { status, asked } = deploy({ SSH_KEY: key, IMAGE_ID: '/subscriptions/s/image', RESOURCE_GROUP: 'g' });
    expect(status).toBe(0);
    expect(asked).toContain('group create --name g --location westeurope');
    expect(asked).toMatch(/deployment group create --resource-group g --template-file \S+main\.bicep/);
    expect(asked).toContain('imageId=/subscriptions/s/image');
  });

  it.each([
    ['without an SSH key', {}, 'ssh-keygen'],
    ['with a private key in place of the public one', { SSH_KEY: 'PRIVATE' }, 'not an SSH public key'],
    ['with an image that is not a resource id', { IMAGE_ID: 'Ubuntu' }, 'IMAGE_ID'],
    ['when nobody is signed in', { SIGNED_OUT: '1' }, 'az login'],
  ])('says what to do and deploys nothing %s', (what, env: Record<string, string>, words) => {
    const secret = join(folder, 'id');
    writeFileSync(secret, '-----BEGIN OPENSSH PRIVATE KEY-----\n');
    const given = what.startsWith('without') ? {} : { SSH_KEY: key };
    if (env.SSH_KEY === 'PRIVATE') env.SSH_KEY = secret;
    const { status, stderr, asked } = deploy({ ...given, ...env });
    expect(status).toBe(2);
    expect(stderr).toContain(words);
    expect(asked).not.toContain('deployment');
  });

  it('explains itself with --help, and takes no other argument', () => {
    expect(deploy({}, '--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('IMAGE_ID') });
    expect(deploy({ SSH_KEY: key }, 'westus')).toMatchObject({ status: 2 });
  });
});
