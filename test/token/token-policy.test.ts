import { describe, expect, it } from 'vitest';
import { AttestationError, type VerifyTokenOptions, verifyToken } from '../../lib/index.js';
import {
  type Claims,
  guestClaims,
  HOST_DATA,
  ID_KEY,
  ISSUER,
  jwkOf,
  MEASUREMENT,
  NOW,
  platformClaims,
  rsaKeys,
  signToken,
  tdxPlatformClaims,
  VM_ID,
} from './issuer.js';
import { refusal } from './refusal.js';

const keys = rsaKeys();
const options = {
  issuer: ISSUER,
  keys: { keys: [jwkOf(keys)] },
  now: NOW,
  attestationType: ['azurevm', 'sevsnpvm', 'tdxvm'] as const,
};
type Policy = Partial<VerifyTokenOptions>;

const verify = (claims: Claims, policy: Policy = {}) =>
  verifyToken(signToken(claims, keys.privateKey), { ...options, ...policy });
const accepted = (claims: Claims, policy?: Policy) => expect(verify(claims, policy)).resolves.toBeDefined();
const refused = (claims: Claims, code: string, policy?: Policy) => refusal(verify(claims, policy), code);

/** The same claim in both shapes of token. */
const bothShapes = (tee: Claims): Claims[] => [guestClaims({}, tee), platformClaims(tee)];

const withConfiguration = (configuration: Claims): Claims[] =>
  bothShapes({ 'x-ms-runtime': { keys: [], 'vm-configuration': configuration } });

const withPayload = (payload: unknown): Claims =>
  guestClaims({ 'x-ms-runtime': { 'client-payload': payload, keys: [] } });

const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('attestation type', () => {
  it('verifyToken takes a guest’s token only, unless a platform token is named', async () => {
    const { attestationType: _, ...byDefault } = options;
    const sign = (claims: Claims): string => signToken(claims, keys.privateKey);
    await expect(verifyToken(sign(guestClaims()), byDefault)).resolves.toBeDefined();
    for (const claims of [platformClaims(), tdxPlatformClaims()]) {
      await refusal(verifyToken(sign(claims), byDefault), 'ERR_TOKEN_ATTESTATION_TYPE');
      // The nonce of a platform token is anybody's: an old report and a new nonce make a new token.
      await refusal(verifyToken(sign(claims), { ...byDefault, nonce: '011510062022' }), 'ERR_TOKEN_ATTESTATION_TYPE');
    }
    await accepted(guestClaims(), { attestationType: 'azurevm' });
    await accepted(platformClaims(), { attestationType: ['sevsnpvm'] });
    await refused(guestClaims(), 'ERR_TOKEN_ATTESTATION_TYPE', { attestationType: 'sevsnpvm' });
    await refused(platformClaims(), 'ERR_TOKEN_ATTESTATION_TYPE', { attestationType: 'azurevm' });
  });

  it.each(['sgx', '', undefined, null, 7, ['azurevm']])('%j is refused', async (type) => {
    await refused(platformClaims({ 'x-ms-attestation-type': type }), 'ERR_TOKEN_ATTESTATION_TYPE');
  });

  it.each([
    undefined,
    null,
    'sevsnpvm',
    { 'x-ms-attestation-type': 'azurevm' },
    { 'x-ms-attestation-type': 'sgx' },
    [{ 'x-ms-attestation-type': 'sevsnpvm' }],
  ])('a guest token with %j as isolation is not about a confidential VM', async (tee) => {
    await refused(guestClaims({ 'x-ms-isolation-tee': tee }), 'ERR_TOKEN_ISOLATION');
  });
});

describe('state of the machine', () => {
  it('compliance is demanded unless told otherwise, where the hardware’s claims are', async () => {
    for (const status of [undefined, 'azure-signed-cvm', true]) {
      for (const claims of bothShapes({ 'x-ms-compliance-status': status })) {
        await refused(claims, 'ERR_TOKEN_COMPLIANCE');
        await accepted(claims, { requireCompliance: false });
      }
    }
    const misplaced = guestClaims(
      { 'x-ms-compliance-status': 'azure-compliant-cvm' },
      { 'x-ms-compliance-status': 'no' },
    );
    await refused(misplaced, 'ERR_TOKEN_COMPLIANCE');
  });

  it('a debug policy, or one that the token leaves out, is refused unless allowed', async () => {
    for (const value of [true, undefined, 'false', 0]) {
      for (const claims of bothShapes({ 'x-ms-sevsnpvm-is-debuggable': value })) {
        await refused(claims, 'ERR_TOKEN_DEBUG');
        await accepted(claims, { allowDebug: true });
      }
    }
  });

  it.each(['bootdebug', 'kerneldebug', 'hypervisordebug'])('%s is refused unless allowed', async (what) => {
    const claims = guestClaims({ [`x-ms-azurevm-${what}-enabled`]: true });
    await refused(claims, 'ERR_TOKEN_DEBUG');
    await accepted(claims, { allowDebug: true });
    await accepted(guestClaims({ [`x-ms-azurevm-${what}-enabled`]: undefined }));
  });

  it('migration is refused unless allowed', async () => {
    for (const claims of bothShapes({ 'x-ms-sevsnpvm-migration-allowed': true })) {
      await refused(claims, 'ERR_TOKEN_MIGRATION');
      await accepted(claims, { allowMigration: true });
    }
  });

  it('a report that the guest itself requested (VMPL above 0) does not pass as the paravisor’s', async () => {
    for (const vmpl of [1, 3, '0', undefined]) {
      for (const claims of bothShapes({ 'x-ms-sevsnpvm-vmpl': vmpl })) await refused(claims, 'ERR_TOKEN_VMPL');
    }
  });

  it('secure boot, when required, must be configured and, in a guest token, measured', async () => {
    const required = { requireSecureBoot: true };
    await accepted(guestClaims(), required);
    await accepted(platformClaims(), required);
    for (const claims of withConfiguration({ 'secure-boot': false })) {
      await accepted(claims);
      await refused(claims, 'ERR_TOKEN_SECURE_BOOT', required);
    }
    for (const secureboot of [false, undefined, 'true', 1]) {
      await refused(guestClaims({ secureboot }), 'ERR_TOKEN_SECURE_BOOT', required);
    }
  });

  it('the TPM, when required, must be enabled', async () => {
    await accepted(guestClaims(), { requireTpm: true });
    for (const claims of [...withConfiguration({ 'tpm-enabled': false }), ...withConfiguration({})]) {
      await refused(claims, 'ERR_TOKEN_TPM', { requireTpm: true });
    }
  });
});

describe('freshness', () => {
  it('the nonce is a claim of a platform token', async () => {
    await accepted(platformClaims(), { nonce: '011510062022' });
    for (const nonce of ['011510062023', undefined, 11510062022, base64('011510062022')]) {
      await refused(platformClaims({ nonce }), 'ERR_TOKEN_NONCE', { nonce: '011510062022' });
    }
  });

  it('the nonce is in the client payload of a guest token, in base64', async () => {
    const policy = { nonce: '011510062022' };
    await accepted(guestClaims(), policy);
    await accepted(withPayload({ Nonce: base64('011510062022') }), policy);
    const wrong = [
      { nonce: base64('another') },
      { nonce: '011510062022' },
      { nonce: base64(base64('011510062022')) },
      { nonce: ['MDExNTEwMDYyMDIy'] },
      { other: base64('011510062022') },
      {},
      null,
      undefined,
      'MDExNTEwMDYyMDIy',
    ];
    for (const payload of wrong) await refused(withPayload(payload), 'ERR_TOKEN_NONCE', policy);
    // A claim that the guest token does not have cannot stand in for the payload.
    await refused({ ...withPayload({}), nonce: '011510062022' }, 'ERR_TOKEN_NONCE', policy);
  });

  it('every member of the expected client payload must be there with its value', async () => {
    await accepted(guestClaims(), { clientPayload: { nonce: '011510062022', role: 'µ-x' } });
    await accepted(guestClaims(), { clientPayload: {} });
    for (const clientPayload of [{ role: 'other' }, { absent: '' }, { role: base64('µ-x') }, { toString: 'x' }]) {
      await refused(guestClaims(), 'ERR_TOKEN_CLIENT_PAYLOAD', { clientPayload });
    }
    await refused(platformClaims(), 'ERR_TOKEN_CLIENT_PAYLOAD', { clientPayload: { nonce: '011510062022' } });
  });

  it('tells nobody the expected values', async () => {
    const error = await refused(guestClaims(), 'ERR_TOKEN_NONCE', { nonce: 'expected-secret' });
    expect(`${error.message}${JSON.stringify(error.checks)}`).not.toMatch(/expected-secret|011510062022|MDExN/);
  });
});

describe('identity', () => {
  it('policyHash demands the hash of the policy of the service', async () => {
    const policyHash = 'wm9mHlvTU82e8UqoOy1Yj1FBRSNkfe99-69IYDq9eWs';
    await accepted(guestClaims(), { policyHash });
    await accepted(platformClaims(), { policyHash: ['another', policyHash] });
    await refused(guestClaims(), 'ERR_TOKEN_POLICY_HASH', { policyHash: 'another' });
    await refused(guestClaims({ 'x-ms-policy-hash': undefined }), 'ERR_TOKEN_POLICY_HASH', { policyHash });
  });

  it('VM id, in any case, wherever the token names it', async () => {
    await accepted(guestClaims(), { vmId: VM_ID.toLowerCase() });
    await accepted(platformClaims(), { vmId: VM_ID });
    const other = '00000000-0000-0000-0000-000000000000';
    await refused(guestClaims(), 'ERR_TOKEN_VM_ID', { vmId: other });
    await refused(platformClaims(), 'ERR_TOKEN_VM_ID', { vmId: other });
    await refused(guestClaims({ 'x-ms-azurevm-vmid': other }), 'ERR_TOKEN_VM_ID', { vmId: VM_ID });
    for (const claims of withConfiguration({ vmUniqueId: other })) {
      await refused(claims, 'ERR_TOKEN_VM_ID', { vmId: VM_ID });
    }
    const [, nameless] = withConfiguration({});
    await refused(nameless as Claims, 'ERR_TOKEN_VM_ID', { vmId: VM_ID });
  });

  it.each([
    {
      option: 'launchMeasurement',
      value: MEASUREMENT,
      code: 'ERR_TOKEN_LAUNCH_MEASUREMENT',
      claim: 'launchmeasurement',
    },
    { option: 'hostData', value: HOST_DATA, code: 'ERR_TOKEN_HOST_DATA', claim: 'hostdata' },
    { option: 'idKeyDigest', value: ID_KEY, code: 'ERR_TOKEN_ID_KEY', claim: 'idkeydigest' },
  ])('$option, as hex in any case or as bytes, one or several', async ({ option, value, code, claim }) => {
    const bytes = Buffer.from(value, 'hex');
    const zeros = new Uint8Array(bytes.length);
    for (const given of [value, value.toUpperCase(), bytes, [zeros, bytes]]) {
      for (const claims of bothShapes({})) await accepted(claims, { [option]: given });
    }
    await refused(guestClaims(), code, { [option]: zeros });
    for (const actual of [undefined, '', value.slice(2), [value]]) {
      for (const claims of bothShapes({ [`x-ms-sevsnpvm-${claim}`]: actual })) {
        await refused(claims, code, { [option]: value });
      }
    }
  });

  it('security versions', async () => {
    const minimumSvn = { bootloader: 4, tee: 0, snpfw: 24, microcode: 219, guest: 5 };
    for (const claims of bothShapes({})) await accepted(claims, { minimumSvn });
    for (const [name, minimum] of Object.entries(minimumSvn)) {
      await refused(guestClaims(), 'ERR_TOKEN_SVN', { minimumSvn: { [name]: minimum + 1 } });
      const claim = name === 'guest' ? 'x-ms-sevsnpvm-guestsvn' : `x-ms-sevsnpvm-${name}-svn`;
      for (const svn of [undefined, '219', -1, 1e300, 0.5]) {
        for (const claims of bothShapes({ [claim]: svn })) await refused(claims, 'ERR_TOKEN_SVN', { minimumSvn });
      }
    }
  });
});

describe('mistakes of the caller are never an accepted token', () => {
  it.each([
    { issuer: undefined },
    { issuer: '' },
    { issuer: [] },
    { issuer: [ISSUER, ''] },
    { nonce: undefined },
    { nonce: '' },
    { nonce: 7 },
    { clientPayload: undefined },
    { clientPayload: { nonce: undefined } },
    { clientPayload: 'nonce' },
    { vmId: undefined },
    { policyHash: [] },
    { policyHash: undefined },
    { launchMeasurement: 'abcd' },
    { launchMeasurement: [] },
    { launchMeasurement: 'zz'.repeat(48) },
    { hostData: new Uint8Array(31) },
    { idKeyDigest: undefined },
    { minimumSvn: { ucode: 3 } },
    { minimumSvn: { tee: Number.NaN } },
    { minimumSvn: { tee: undefined } },
    { attestationType: 'sgx' },
    { attestationType: [] },
    { algorithms: [] },
    { algorithms: ['none'] },
    { algorithms: ['RS256', 'HS256'] },
    { now: new Date(Number.NaN) },
    { now: NOW.getTime() },
    { clockTolerance: Number.POSITIVE_INFINITY },
    { clockTolerance: -1 },
    { clockTolerance: 86_400 },
    { maxTokenAge: Number.NaN },
  ])('%o', async (mistake) => {
    const error = await verify(guestClaims(), mistake as unknown as Policy).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(AttestationError);
    expect(error).toMatchObject({ code: 8, codeName: 'INVALID_INPUT_PARAMETER' });
  });

  it.each([undefined, null, 5, 'https://issuer'])('%s instead of options', async (options) => {
    await expect(verifyToken('a.b.c', options as never)).rejects.toMatchObject({ name: 'AttestationError', code: 8 });
  });
});
