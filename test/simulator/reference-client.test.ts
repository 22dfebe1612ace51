import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { attestGuest, parseGuestRequest, ServiceRefusal, type ServiceTrust } from '../../lib/simulator/index.js';

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

  it('is accepted with SEV-SNP evidence, and says what the recorded token says', async () => {
    const { claims, evidence } = await attestGuest(
      parseGuestRequest(read('snp/maa-request.body.json')),
      trustOf('snp'),
    );
    const recorded = (json('snp/jwt-decoded.json') as { claims: Record<string, unknown> }).claims;
    for (const [name, value] of Object.entries(claims)) expect(claims, name).toHaveProperty([name], value);
    const { exp, iat, iss, jti, nbf, 'x-ms-policy-hash': policy, 'x-ms-ver': version, ...said } = recorded;
    expect(claims).toEqual(said);
    expect([...evidence.pcrs.keys()]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
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
