import { generateKeyPairSync, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  evaluateReleasePolicy,
  explainReleasePolicy,
  explainReleaseResponse,
  parseReleasePolicy,
  type ReleaseResponseOptions,
  verifyReleaseResponse,
} from '../../lib/index.js';
import { NotUnwrapped, ReleaseRefusedError } from '../../lib/release/errors.js';
import { secretOf, unwrapWith } from '../../lib/release/secret.js';
import { refuseSecret, splitSecretToken } from '../../lib/release/secret-token.js';
import { vaultFailure } from '../../lib/release/vault-error.js';
import { locateKey } from '../../lib/release/vault-host.js';
import { VaultAuthority } from '../../lib/simulator/key-vault/pki.js';
import { draftRelease, finishRelease, type ReleaseDraft } from '../../lib/simulator/key-vault/release-draft.js';
import { StoredKeys } from '../../lib/simulator/key-vault/stored-keys.js';
import { readNameConstraints } from '../../lib/verify/name-constraints.js';
import { anything, mutated, mutatedJson, mutatedText } from './hostile.js';
import { asyncProperty, property, refusesTyped, rejectsTyped } from './property.js';

const HOST = 'contoso.vault.azure.net';
const wrapping = generateKeyPairSync('rsa', { modulusLength: 2048 });
const policy = {
  version: '1.0.0',
  anyOf: [{ authority: 'https://a.example', allOf: [{ claim: 'a.b', equals: 'c' }] }],
} as const;

let authority: VaultAuthority;
let options: ReleaseResponseOptions;

beforeAll(async () => {
  authority = await VaultAuthority.create('fuzz', [HOST]);
  options = { vaultHost: HOST, keyName: 'k', wrappingKey: wrapping.privateKey, trustedRoots: [authority.root.pem] };
});

function answer(change: (draft: ReleaseDraft) => void = () => {}): string {
  const key = new StoredKeys().create('k', { kty: 'EC-HSM', policy }, 'vault');
  const kid = `https://${HOST}/keys/k`;
  const draft = draftRelease({
    flavour: 'vault',
    key,
    kid: `${kid}/${key.version}`,
    request: { kid, 'api-version': '7.4' },
    enc: 'RSA_AES_KEY_WRAP_256',
    wrappingKey: { kid: 'TpmEphemeralEncryptionKey', publicKey: wrapping.publicKey },
    certificate: authority.leaf,
  });
  change(draft);
  return finishRelease(draft);
}

describe('release answers', () => {
  it('verifyReleaseResponse accepts what the vault signed, and no changed text of it', async () => {
    const value = answer();
    (await verifyReleaseResponse(value, options)).key?.free();
    await asyncProperty(mutatedText(value), async (changed) => {
      const { ok, release } = await explainReleaseResponse(changed, options);
      release?.key?.free();
      expect(ok).toBe(changed === value);
    });
  });

  it('verifyReleaseResponse refuses typed whatever a vault signs as payload', { timeout: 120_000 }, async () => {
    let payload: Record<string, unknown> = {};
    answer((draft) => {
      draft.payload = (original) => {
        payload = original;
        return original;
      };
    });
    await asyncProperty(mutatedJson(payload), (changed) =>
      rejectsTyped(async () => {
        const value = answer((draft) => {
          draft.payload = () => changed as Record<string, unknown>;
        });
        (await verifyReleaseResponse(value, options)).key?.free();
      }),
    );
  });

  it('verifyReleaseResponse refuses typed whatever a vault signs as header', { timeout: 120_000 }, async () => {
    let header: Record<string, unknown> = {};
    answer((draft) => {
      draft.header = (original) => {
        header = original;
        return original;
      };
    });
    await asyncProperty(mutatedJson(header), (changed) =>
      rejectsTyped(async () => {
        const value = answer((draft) => {
          draft.header = () => changed as Record<string, unknown>;
        });
        (await verifyReleaseResponse(value, options)).key?.free();
      }),
    );
  });

  it('verifyReleaseResponse refuses typed whatever is wrapped', { timeout: 120_000 }, async () => {
    await asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), (plaintext) =>
      rejectsTyped(async () => {
        const value = answer((draft) => {
          draft.plaintext = Buffer.from(plaintext);
        });
        await verifyReleaseResponse(value, options);
      }),
    );
  });

  it('verifyReleaseResponse takes any value and any options', () =>
    asyncProperty(fc.tuple(anything, anything), ([value, given]) =>
      rejectsTyped(() => verifyReleaseResponse(value as string, given as ReleaseResponseOptions)),
    ));

  it('AES-KWP opens nothing that was not wrapped with the key', () => {
    property(fc.uint8Array({ maxLength: 200 }), (wrapped) => {
      expect(() => unwrapWith(secretOf(randomBytes(32)), wrapped)).toThrow(NotUnwrapped);
    });
  });
});

describe('release policies', () => {
  it('parseReleasePolicy reads or refuses typed, and what it reads can be evaluated over any claims', () => {
    property(fc.tuple(mutatedJson(policy), fc.object()), ([tree, claims]) =>
      refusesTyped(() => {
        const parsed = parseReleasePolicy(tree as typeof policy);
        explainReleasePolicy(evaluateReleasePolicy(parsed, claims));
        expect(parseReleasePolicy(JSON.stringify(parsed))).toEqual(parsed);
      }),
    );
    property(anything, (value) => refusesTyped(() => parseReleasePolicy(value as string)));
    property(mutatedText(JSON.stringify(policy)), (text) => refusesTyped(() => parseReleasePolicy(text)));
    property(mutatedText(JSON.stringify(policy)), (text) =>
      refusesTyped(() => parseReleasePolicy({ data: Buffer.from(text).toString('base64url') })),
    );
  });
});

describe('everything else that a vault or a host writes', () => {
  it('errors of a vault are understood or not, whatever their body', () => {
    const body = JSON.stringify({
      error: { code: 'Forbidden', message: 'm', innererror: { code: 'ForbiddenByRbac' } },
    });
    property(fc.tuple(mutated(Buffer.from(body)), fc.integer({ min: 100, max: 599 })), ([bytes, status]) => {
      const error = vaultFailure(HOST, { status, headers: {}, body: bytes }, (code) => code === 429 || code >= 500);
      expect(error.message.length).toBeLessThan(2_000);
      if (status === 403) expect(error).toBeInstanceOf(ReleaseRefusedError);
    });
  });

  it('locations of keys are read or refused typed', () => {
    property(mutatedText(`https://${HOST}/keys/k/0123456789abcdef`), (keyId) =>
      refusesTyped(() => locateKey({ keyId })),
    );
  });

  it('tokens of provisioned secrets are taken apart or refused typed', () => {
    const header = Buffer.from('{"alg":"RS256","x-az-cvm-purpose":"secrets-provisioning"}').toString('base64url');
    property(mutatedText(`${header}.e30.AAAA`), (text) => refusesTyped(() => splitSecretToken(text)));
    expect(refuseSecret('ERR_SECRET_FORMAT', 'x').code).toBe('ERR_SECRET_FORMAT');
  });

  it('name constraints are read or refused typed', () => {
    const genuine = Buffer.from('3010a00e300c820a6578616d706c652e636f', 'hex');
    property(mutated(genuine), (bytes) => refusesTyped(() => readNameConstraints(bytes)));
  });
});
