import { describe, expect, it } from 'vitest';
import { guestRequest, type MachineEvidence, type TpmEvidence } from '../../lib/guest/guest-request.js';
import { encodeClientPayload } from '../../lib/maa/client-payload.js';
import { fixture, withFixtures } from '../fixtures.js';
import { tpmEvidence } from './tpm-transcript.js';

type Folder = 'snp' | 'trusted-launch';

const json = (path: string) => JSON.parse(fixture(path).toString('utf8'));

/** The inputs of the reference client's run: its files, its TPM's answers, its payload. */
function inputs(folder: Folder): MachineEvidence {
  const base = `reference-client/${folder}`;
  const evidence: MachineEvidence = {
    clientPayload: encodeClientPayload('{"role":"fixture","nonce":"b3JhY2xl"}'),
    os: { distribution: 'Debian GNU/Linux', versionMajor: 12, versionMinor: 0 },
    eventLog: fixture(`${base}/eventlog.bin`),
  };
  if (folder === 'trusted-launch') return evidence;
  const report = fixture(`${base}/hcl_report.bin`);
  const thim = json(`${base}/thim-response.body.json`);
  return {
    ...evidence,
    isolation: {
      type: 'SevSnp',
      snpReport: report.subarray(32, 1216),
      vcekCertChain: thim.vcekCert + thim.certificateChain,
      runtimeData: report.subarray(1236, 1236 + report.readUInt32LE(1232)),
    },
  };
}

const tpmInputs = (folder: Folder): TpmEvidence => {
  const base = `reference-client/${folder}`;
  return { akCertificate: fixture(`${base}/akcert.der`), ...tpmEvidence(`${base}/tpm-attest.log`) };
};

/** The `AttestationInfo` in a request's body. */
const infoIn = (body: string) =>
  JSON.parse(Buffer.from(JSON.parse(body).AttestationInfo, 'base64url').toString('utf8'));

interface Info {
  IsolationInfo?: { Evidence?: { Proof: unknown } };
}

/** Opens the one base64 text of the request that holds JSON, whose white space may differ. */
function withProofOpened(info: Info): Info {
  const evidence = info.IsolationInfo?.Evidence;
  if (evidence !== undefined)
    evidence.Proof = JSON.parse(Buffer.from(String(evidence.Proof), 'base64').toString('utf8'));
  return info;
}

describe.skipIf(!withFixtures)("the request, from the reference client's inputs", () => {
  it.each<Folder>(['snp', 'trusted-launch'])('%s: equals its own, member by member, in its order', (folder) => {
    const theirs = withProofOpened(json(`reference-client/${folder}/attestation-info.json`));
    const ours = withProofOpened(infoIn(guestRequest(inputs(folder))(tpmInputs(folder))));
    expect(ours).toEqual(theirs);
    expect(memberNames(ours)).toEqual(memberNames(theirs));
  });

  it.each<Folder>(['snp', 'trusted-launch'])('%s: has one member in base64url without padding', (folder) => {
    const theirs = json(`reference-client/${folder}/maa-request.body.json`);
    const ours = JSON.parse(guestRequest(inputs(folder))(tpmInputs(folder)));
    expect(Object.keys(ours)).toEqual(Object.keys(theirs));
    expect(ours.AttestationInfo).toMatch(/^[A-Za-z0-9_-]+$/);
    const opened = (body: { AttestationInfo: string }) =>
      withProofOpened(JSON.parse(Buffer.from(body.AttestationInfo, 'base64url').toString('utf8')));
    expect(opened(ours)).toEqual(opened(theirs));
  });

  it('is one text, wherever the part that is encoded in advance ends', () => {
    const tpm = tpmInputs('trusted-launch');
    for (const nonce of ['x', 'xy', 'xyz', 'é', '𝒳']) {
      const machine = { ...inputs('trusted-launch'), clientPayload: { [nonce]: 'dmFsdWU=' } };
      const bodyWith = guestRequest(machine);
      const body = bodyWith(tpm);
      expect(body).toMatch(/^{"AttestationInfo":"[A-Za-z0-9_-]+"}$/);
      const text = Buffer.from(JSON.parse(body).AttestationInfo, 'base64url').toString('utf8');
      expect(JSON.stringify(JSON.parse(text))).toBe(text);
      expect(infoIn(body)).toMatchObject({
        ClientPayload: machine.clientPayload,
        TpmInfo: { PcrSet: [...tpm.pcrs.keys()] },
      });
      // The same head serves when new evidence has to be shown.
      expect(bodyWith(tpm)).toBe(body);
    }
  });
});

/** Every member name in order of appearance, depth first. */
function memberNames(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => [name, ...memberNames(member)]);
}
