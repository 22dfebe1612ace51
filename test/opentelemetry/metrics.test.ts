import { generateKeyPairSync } from 'node:crypto';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AttestationClient } from '../../lib/index.js';
import { measureOperations } from '../../lib/opentelemetry.js';
import { createVerifierService, memoryReplayStore } from '../../lib/relying-party/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { clientOf } from '../guest/client.js';

let cvm: SimulatedCvm;
let client: AttestationClient;
let exporter: PrometheusExporter;
let provider: MeterProvider;
beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  client = clientOf(cvm);
  exporter = new PrometheusExporter({ port: 0, preventServerStart: true });
  provider = new MeterProvider({ readers: [exporter] });
});
afterAll(async () => {
  await provider?.shutdown();
  await client?.close();
  await cvm?.stop();
});

/** What Prometheus would scrape: the counts of the histogram, by its labels. */
async function counts(): Promise<Record<string, number>> {
  const text = await new Promise<string>((resolve) => {
    const response = { statusCode: 0, setHeader: () => {}, end: resolve };
    exporter.getMetricsRequestHandler({} as never, response as never);
  });
  const found: Record<string, number> = {};
  for (const [, labels = '', count] of text.matchAll(/^cvm_operation_duration\w*_count\{(.*)\} (\d+)/gm)) {
    const shown = labels.split(',').filter((label) => /^(cvm_operation|error_type)=/.test(label));
    found[shown.sort().join(' ')] = Number(count);
  }
  return found;
}

describe('metrics', () => {
  it('count each operation with its outcome, as Prometheus reads them, until they are ended', async () => {
    const stop = measureOperations({ meterProvider: provider });
    await client.attest({ attestationUrl: cvm.attestationUrl });
    await client.decrypt(new Uint8Array(256), { type: 'None' }).catch(() => {});
    await client.getEvidence({ signal: AbortSignal.abort() }).catch(() => {});
    const { privateKey: signingKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const service = createVerifierService({
      issuer: 'https://verifier.example',
      audiences: ['https://service.example'],
      signingKeys: signingKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
      secret: new Uint8Array(32).fill(7),
      store: memoryReplayStore(),
      ...cvm.verification,
      allowAnyMachine: true,
    });
    await service(new Request('https://verifier.example/v1/evidence', { method: 'POST', body: '{}' }));
    const counted = await counts();
    expect(counted).toEqual({
      'cvm_operation="attest"': 1,
      'cvm_operation="decrypt" error_type="DATA_DECRYPTION_TPM_ERROR"': 1,
      'cvm_operation="evidence" error_type="AbortError"': 1,
      'cvm_operation="verifier-service" error_type="ERR_REQUEST"': 1,
    });
    stop();
    await client.getEvidence();
    expect(await counts()).toEqual(counted);
  });

  it('are refused without a meter provider', () => {
    expect(() => measureOperations({ meterProvider: {} as never })).toThrow(expect.objectContaining({ code: 8 }));
    expect(() => measureOperations(null as never)).toThrow(expect.objectContaining({ code: 8 }));
  });
});
