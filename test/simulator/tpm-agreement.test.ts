import { type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseGuestRequest, ServiceRefusal, SimulatedCvm } from '../../lib/simulator/index.js';
import type { GuestRequest } from '../../lib/simulator/service/guest-request.js';
import { verifyTpmEvidence } from '../../lib/simulator/service/tpm-evidence.js';
import { PermanentHandle } from '../../lib/simulator/tpm/constants.js';
import { attestationInfo, certifiedKey, collect, ephemeralKeyTemplate, quote, type RawRequest } from './raw-guest.js';
import { verifyEventLog } from './second-verifier/event-log-replay.js';
import { verifyTpmEvidence as verifyWithSecond } from './second-verifier/tpm-evidence.js';

type Evidence = Pick<GuestRequest, 'tpm' | 'eventLog'>;
interface Verdict {
  accepted: boolean;
  key?: unknown;
  secureBoot?: boolean;
}

let cvm: SimulatedCvm;
let authorities: X509Certificate[];
let good: RawRequest;
/** Not before the certificates of the machine. */
let now: Date;

beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  authorities = [cvm.vtpmAuthority.certificate, ...cvm.vtpmAuthority.cloudIssuers()].map(
    ({ der }) => new X509Certificate(der),
  );
  good = await collect(cvm);
  now = new Date();
});
afterAll(() => cvm.stop());

async function verdict(task: () => Promise<{ key: KeyObject; secureBoot: boolean }>): Promise<Verdict> {
  try {
    const { key, secureBoot } = await task();
    return { accepted: true, key: key.export({ format: 'jwk' }), secureBoot };
  } catch (error) {
    expect(error).toBeInstanceOf(ServiceRefusal);
    return { accepted: false };
  }
}

/** What the service says, which asks the library, and what a second verifier says, which shares no code with it. */
async function verdicts({ tpm, eventLog }: Evidence): Promise<[service: Verdict, second: Verdict]> {
  const service = verdict(async () => {
    const { encryptionKey, secureBoot } = await verifyTpmEvidence(
      { tpm, eventLog },
      { akAuthorities: authorities, now: () => now },
    );
    return { key: encryptionKey, secureBoot };
  });
  const second = verdict(async () => {
    const { encryptionKey, pcrs } = verifyWithSecond(tpm, authorities, now);
    const { secureBoot } = eventLog.length > 0 ? verifyEventLog(eventLog, pcrs) : { secureBoot: false };
    return { key: encryptionKey, secureBoot };
  });
  return Promise.all([service, second]);
}

function requestOf(changes: Partial<RawRequest> = {}): Evidence {
  const info = Buffer.from(JSON.stringify(attestationInfo({ ...good, ...changes }))).toString('base64url');
  return parseGuestRequest(Buffer.from(JSON.stringify({ AttestationInfo: info })));
}

async function expectBoth(accepted: boolean, request: Evidence, what = ''): Promise<void> {
  const [service, second] = await verdicts(request);
  expect(service, what).toEqual(second);
  expect(service.accepted, what).toBe(accepted);
}

const flipped = (bytes: Buffer, bit: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
};

describe("a second verifier and the service's agree on a TPM's evidence", () => {
  it('that is genuine, with a log and without', async () => {
    await expectBoth(true, requestOf());
    await expectBoth(true, requestOf({ eventLog: Buffer.alloc(0) }));
    const padded = Buffer.concat([good.aikCert, Buffer.alloc(4096, 0x5a)], 4096);
    await expectBoth(true, requestOf({ aikCert: padded }));
  });

  it('with a key of the owner hierarchy, of other PCR values, and without a policy', async () => {
    const { transport } = cvm.tpm;
    const elsewhere = good.pcrs.map(({ index }) => ({ index, digest: randomBytes(32) }));
    const owner = await certifiedKey(transport, ephemeralKeyTemplate(good.pcrs), PermanentHandle.owner);
    await expectBoth(true, requestOf(owner));
    await expectBoth(false, requestOf(await certifiedKey(transport, ephemeralKeyTemplate(elsewhere))));
    await expectBoth(false, requestOf(await certifiedKey(transport, ephemeralKeyTemplate(good.pcrs, 0x00020472))));
  });

  it('with a quote of fewer PCRs', async () => {
    const { message, signature } = await quote(cvm.tpm.transport, [0, 1, 2, 3]);
    const fewer = { quote: message, quoteSignature: signature, pcrSet: [0, 1, 2, 3], pcrs: good.pcrs.slice(0, 4) };
    await expectBoth(false, requestOf(fewer));
  });

  it.each(['aikPub', 'quote', 'quoteSignature', 'encKeyPub', 'certifyInfo', 'certifySignature'] as const)(
    'with any flipped bit in %s',
    async (member) => {
      const bits = good[member].length * 8;
      for (let i = 0; i < 64; i++) {
        const bit = (i * 1009) % bits;
        await expectBoth(false, requestOf({ [member]: flipped(good[member], bit) }), `bit ${bit}`);
      }
    },
  );

  it('with any flipped bit in the AK certificate', async () => {
    const size = 4 + good.aikCert.readUInt16BE(2);
    for (let i = 0; i < 64; i++) {
      const bit = (i * 1009) % (size * 8);
      await expectBoth(false, requestOf({ aikCert: flipped(good.aikCert, bit) }), `bit ${bit}`);
    }
  });

  it('with any flipped bit in a digest of the event log', async () => {
    // Digests are what the PCRs prove: the SHA-256 digest of the last event stands before its size and its text.
    const text = 'Exit Boot Services Returned with Success'.length;
    const end = good.eventLog.length - text - 4;
    for (let i = 0; i < 64; i++) {
      const bit = (end - 32) * 8 + ((i * 101) % 256);
      await expectBoth(false, requestOf({ eventLog: flipped(good.eventLog, bit) }), `bit ${bit}`);
    }
  });
});
