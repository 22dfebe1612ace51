import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseSnpReport } from '../../lib/index.js';
import { attestGuest, parseGuestRequest, ServiceRefusal, type ServiceTrust } from '../../lib/simulator/index.js';
import { guestRuntime, snpClaims } from '../../lib/simulator/service/claims.js';
import { verifyTpmEvidence } from '../../lib/simulator/service/tpm-evidence.js';
import { verifySnpEvidence } from './second-verifier/snp-evidence.js';

const fixtures = new URL('../../../shared/fixtures/reference-client/', import.meta.url);

/** Requests that Microsoft's own client made, unmodified, with its own throw-away authorities. */
describe.skipIf(!existsSync(fixtures))('requests of the reference client', () => {
  const read = (path: string): Buffer => readFileSync(new URL(path, fixtures));
  const json = (path: string): Record<string, unknown> => JSON.parse(read(path).toString('utf8'));

  function trustOf(folder: string): ServiceTrust {
    return {
      roots: [new X509Certificate(read(`${folder}/ark.crt`))],
      akAuthorities: [new X509Certificate(read(`${folder}/vtpmca.crt`))],
      now: () => new Date('2026-11-22T00:00:00Z'),
    };
  }

  it('holds SEV-SNP evidence that says what the recorded token says', async () => {
    const request = parseGuestRequest(read('snp/maa-request.body.json'));
    const { isolation, clientPayload, tpm } = request;
    if (isolation.type !== 'SevSnp') throw new Error('no SEV-SNP evidence');
    const { roots, akAuthorities, now } = trustOf('snp');
    verifySnpEvidence(isolation.snpReport, isolation.certificateChain, roots, now());
    const evidence = await verifyTpmEvidence(request, { akAuthorities, now });
    expect(tpm.pcrs.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    const runtime = JSON.parse(isolation.runtimeData.toString()) as Record<string, unknown>;
    const recorded = (json('snp/jwt-decoded.json') as { claims: Record<string, unknown> }).claims;
    expect(recorded['x-ms-isolation-tee']).toEqual({
      ...snpClaims(parseSnpReport(isolation.snpReport)),
      'x-ms-runtime': runtime,
    });
    expect(recorded['x-ms-runtime']).toEqual(guestRuntime(clientPayload, evidence.encryptionKey));
  });

  it('is refused for its recorded VCEK alone, whose product name is not an IA5String as AMD’s are', async () => {
    const attested = attestGuest(parseGuestRequest(read('snp/maa-request.body.json')), trustOf('snp'));
    await expect(attested).rejects.toThrow(/unprintable productName/);
  });

  it('is accepted from a trusted launch VM, without isolation claims', async () => {
    const body = read('trusted-launch/maa-request.body.json');
    const { claims } = await attestGuest(parseGuestRequest(body), trustOf('trusted-launch'));
    expect(claims).not.toHaveProperty('x-ms-isolation-tee');
    expect(claims['x-ms-attestation-type']).toBe('azurevm');
  });

  it('is refused with the authorities of another client', async () => {
    const request = parseGuestRequest(read('snp/maa-request.body.json'));
    const trust = trustOf('snp');
    await expect(attestGuest(request, { ...trust, roots: [] })).rejects.toThrow(ServiceRefusal);
    const strangers = [new X509Certificate(read('snp/tlsca.crt'))];
    const refused = attestGuest(request, { ...trust, akAuthorities: strangers });
    await expect(refused).rejects.toThrow(/trusted authority/);
  });
});
