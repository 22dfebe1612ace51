import { randomBytes } from 'node:crypto';
import { context, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AttestationClient, encrypt, verifyToken } from '../../lib/index.js';
import { traceOperations } from '../../lib/opentelemetry.js';
import { attestationPaths, imdsPaths, SimulatedCvm } from '../../lib/simulator/index.js';
import { clientOf } from '../guest/client.js';
import { exported, Recorder, time } from './spans.js';

const recorder = new Recorder();
let cvm: SimulatedCvm;
let client: AttestationClient;
let stop: () => void;
beforeAll(async () => {
  recorder.provider.register();
  cvm = await SimulatedCvm.start();
  client = clientOf(cvm);
});
afterAll(async () => {
  await client?.close();
  await cvm?.stop();
  trace.disable();
  context.disable();
});
beforeEach(() => {
  recorder.clear();
  stop = traceOperations();
});
afterEach(() => {
  stop();
  cvm.imds.clearBehaviours();
  cvm.attestation.clearBehaviours();
});

const attest = (): Promise<string> => client.attest({ attestationUrl: cvm.attestationUrl });

/** Runs work in a span of the caller's own. */
function inSpan<T>(name: string, work: (span: Span) => Promise<T>): Promise<T> {
  return trace.getTracer('caller').startActiveSpan(name, async (span) => {
    try {
      return await work(span);
    } finally {
      span.end();
    }
  });
}

describe('spans', () => {
  it('of an attestation hold what it waited for, below the span of the caller', async () => {
    await inSpan('caller', attest);
    const [caller, attestation] = [recorder.one('caller'), recorder.one('cvm.attest')];
    expect(recorder.childNames(caller)).toEqual(['cvm.attest']);
    expect(recorder.childNames(attestation)).toEqual(
      expect.arrayContaining(['GET', 'POST', 'cvm.tpm.quote', 'cvm.tpm.rsaDecrypt']),
    );
    // Nothing hangs beside the tree, and every step lies within its operation.
    expect(recorder.spans.length).toBe(2 + recorder.children(attestation).length);
    for (const step of recorder.children(attestation)) {
      expect(step.spanContext().traceId).toBe(caller.spanContext().traceId);
      expect(time(step.startTime)).toBeGreaterThanOrEqual(time(attestation.startTime));
      expect(time(step.endTime)).toBeLessThanOrEqual(time(attestation.endTime));
      expect(step.status.code).toBe(SpanStatusCode.UNSET);
    }
    expect(attestation).toMatchObject({
      kind: SpanKind.INTERNAL,
      status: { code: SpanStatusCode.UNSET },
      instrumentationScope: { name: 'cvm-guest-attestation', version: expect.stringMatching(/^\d+\.\d+\.\d+/) },
    });
    const { hostname, port } = new URL(cvm.attestationUrl);
    expect(recorder.one('POST')).toMatchObject({
      kind: SpanKind.CLIENT,
      attributes: {
        'http.request.method': 'POST',
        'server.address': hostname,
        'server.port': Number(port),
        'http.response.status_code': 200,
      },
    });
  });

  it('of calls at the same time keep to their own parents', async () => {
    const token = await attest();
    recorder.clear();
    const secrets = await Promise.all(
      Array.from({ length: 6 }, (_, index) =>
        inSpan(`caller ${index}`, async () => {
          if (index % 3 === 0) await attest();
          const { encryptedData, encryptionMetadata } = await client.encrypt(token, Buffer.from(`secret ${index}`));
          return client.decrypt(encryptedData, { encryptionMetadata });
        }),
      ),
    );
    expect(secrets.map(String)).toEqual(Array.from({ length: 6 }, (_, index) => `secret ${index}`));
    for (let index = 0; index < 6; index++) {
      const operations = recorder.children(recorder.one(`caller ${index}`));
      const names = operations.map(({ name }) => name);
      expect(names).toEqual([...(index % 3 === 0 ? ['cvm.attest'] : []), 'cvm.encrypt', 'cvm.decrypt']);
      expect(recorder.childNames(operations.at(-1) as (typeof operations)[0])).toEqual(['cvm.tpm.unwrapKey']);
    }
  });

  it('tell each repetition of a request, and the one that helped', async () => {
    cvm.attestation.respond(attestationPaths.guest, { kind: 'answer', status: 503, times: 2 });
    await attest();
    const posts = recorder.children(recorder.one('cvm.attest')).filter(({ name }) => name === 'POST');
    expect(
      posts.map(({ status, attributes }) => [
        status.code,
        attributes['http.response.status_code'],
        attributes['http.request.resend_count'],
        attributes['error.type'],
      ]),
    ).toEqual([
      [SpanStatusCode.ERROR, 503, undefined, '503'],
      [SpanStatusCode.ERROR, 503, 1, '503'],
      [SpanStatusCode.UNSET, 200, 2, undefined],
    ]);
    expect(recorder.one('cvm.attest').status.code).toBe(SpanStatusCode.UNSET);
  });

  it('of a relying party hold the fetch of the keys', async () => {
    const token = await attest();
    recorder.clear();
    await verifyToken(token, { issuer: cvm.attestationUrl, keyFetch: { fetch: (...request) => fetch(...request) } });
    const verification = recorder.one('cvm.verifyToken');
    expect(recorder.childNames(verification)).toEqual(['GET']);
    expect(verification.status.code).toBe(SpanStatusCode.UNSET);
  });
});

describe('a failure', () => {
  const failing: [string, () => Promise<unknown>, string, Record<string, unknown>][] = [
    [
      'of the caller',
      () => client.decrypt(new Uint8Array(7), { type: 'None' }),
      'cvm.decrypt',
      { 'error.type': 'DATA_DECRYPTION_TPM_ERROR', 'cvm.error_code': 26 },
    ],
    [
      'of the service',
      () => {
        cvm.attestation.respond(attestationPaths.guest, { kind: 'answer', status: 400 });
        return attest();
      },
      'cvm.attest',
      { 'error.type': 'ATTESTATION_FAILED', 'cvm.error_code': 6 },
    ],
    [
      'of a connection',
      async () => {
        cvm.imds.respond(imdsPaths.thimCertification, { kind: 'close' });
        // One that is not waited out.
        await using impatient = clientOf(cvm, { retry: { retries: 0 } });
        return await impatient.getEvidence();
      },
      'GET',
      { 'error.type': 'unreachable' },
    ],
    [
      'of a token',
      async () => verifyToken(await attest(), { issuer: cvm.attestationUrl, nonce: 'another' }),
      'cvm.verifyToken',
      { 'error.type': 'ERR_TOKEN_NONCE' },
    ],
    [
      'by the caller’s own signal',
      () => client.getEvidence({ signal: AbortSignal.abort() }),
      'cvm.evidence',
      { 'error.type': 'AbortError' },
    ],
  ];
  it.each(failing)('%s is an error of its span, by code', async (_, call, name, attributes) => {
    await expect(call()).rejects.toThrow();
    const span = recorder.one(name);
    expect(span.status).toEqual({ code: SpanStatusCode.ERROR });
    expect(span.attributes).toMatchObject(attributes);
    expect(span.events).toEqual([]);
  });

  it('of the TPM says which, in the TPM’s span and in the operation’s', async () => {
    const lone = clientOf(cvm, { tcti: 'device:/dev/no-such-tpm' });
    await expect(lone.getEvidence()).rejects.toThrow();
    await lone.close();
    const operation = recorder.one('cvm.evidence');
    expect(operation.attributes).toMatchObject({ 'cvm.error_code': 13, 'cvm.tpm_error_code': 655370 });
    const [step] = recorder.children(operation).filter(({ status }) => status.code === SpanStatusCode.ERROR);
    expect(step?.attributes).toMatchObject({ 'error.type': 'tpm-unavailable', 'cvm.tpm_error_code': 655370 });
  });
});

describe('what leaves with the spans', () => {
  it('is neither token, nonce, plain text, ciphertext nor the service’s words', async () => {
    const secret = randomBytes(16).toString('hex');
    const clientPayload = { nonce: secret };
    const token = await client.attest({ attestationUrl: cvm.attestationUrl, clientPayload });
    await verifyToken(token, { issuer: cvm.attestationUrl, nonce: secret });
    await verifyToken(token, { issuer: cvm.attestationUrl, nonce: `${secret}.` }).catch(() => {});
    await verifyToken(`${token}x`, { issuer: cvm.attestationUrl }).catch(() => {});
    const { encryptedData, encryptionMetadata } = await encrypt(token, Buffer.from(secret));
    await client.decrypt(encryptedData, { encryptionMetadata });
    await client.decrypt(encryptedData.subarray(1), { encryptionMetadata }).catch(() => {});
    cvm.attestation.respond(attestationPaths.guest, {
      kind: 'answer',
      status: 400,
      body: { error: { code: 'X', message: secret } },
    });
    await client.attest({ attestationUrl: cvm.attestationUrl, clientPayload }).catch(() => {});
    const text = exported(recorder.spans);
    expect(recorder.spans.length).toBeGreaterThan(20);
    for (const part of [secret, btoa(secret), ...token.split('.'), encryptedData.toString('base64url').slice(0, 20)]) {
      expect(text).not.toContain(part);
    }
    // Short words and numbers alone.
    for (const { attributes } of recorder.spans) {
      for (const value of Object.values(attributes)) expect(String(value)).toMatch(/^[\w.-]{1,40}$/);
    }
  });

  it('is no more than the caller asked for, and adds nothing to a request', async () => {
    let headers: Record<string, string> = {};
    const through: typeof fetch = (input, init) => {
      headers = Object.fromEntries(new Headers(init?.headers));
      return fetch(input, init);
    };
    await using traced = clientOf(cvm, { fetch: through });
    await traced.attest({ attestationUrl: cvm.attestationUrl });
    expect(Object.keys(headers)).toContain('content-type');
    expect(Object.keys(headers).filter((name) => /trace|baggage/.test(name))).toEqual([]);
  });
});

describe('tracing', () => {
  it('ends when its end is called, and calls go on', async () => {
    stop();
    await attest();
    expect(recorder.spans).toEqual([]);
  });

  it('goes to the provider that is given, in place of what was asked for before', async () => {
    const other = new Recorder();
    const stopOther = traceOperations({ tracerProvider: other.provider });
    stop(); // the older one's end does not end the newer
    const token = await attest();
    stopOther();
    await encrypt(token, Buffer.from('x'));
    expect(recorder.spans).toEqual([]);
    expect(other.named('cvm.attest')).toHaveLength(1);
    expect(other.named('cvm.encrypt')).toHaveLength(0);
  });

  it.each([[null], [1], [{ tracerProvider: {} }], [{ tracerProvider: 'global' }]])('refuses %j', (options) => {
    expect(() => traceOperations(options as never)).toThrow(expect.objectContaining({ code: 8 }));
  });
});
