import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type MeterProvider, metrics } from '@opentelemetry/api';
import type { ObservedOperation, OperationEvent } from './base/diagnostics.js';
import { AttestationError, ErrorCode } from './base/errors.js';
import type { VerificationEvent } from './relying-party/diagnostics.js';

export interface MeasureOptions {
  /** Default: the one registered with the API when this is called. */
  meterProvider?: MeterProvider;
}

const NAME = 'cvm-guest-attestation';
const OPERATIONS: readonly ObservedOperation[] = ['attest', 'encrypt', 'decrypt', 'evidence', 'release'];
const CODE_NAMES = new Map<number, string>(Object.entries(ErrorCode).map(([name, code]) => [code, name]));
/** From a message under a known key to an outage that is waited out, in seconds. */
const BOUNDARIES = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 75];

/**
 * Records how long the operations of every client, and the verifications of guards, key brokers and verifier services, take,
 * as the histogram `cvm.operation.duration` in seconds: attributes `cvm.operation`, and `error.type` where one failed or
 * refused. For this thread, until the returned function is called. docs/observability.md lists the attributes.
 *
 * Register the SDK's meter provider first: OpenTelemetry's metrics API does not hand instruments on to a later one.
 *
 * @returns ends it
 * @throws AttestationError 8 for a meterProvider without getMeter
 */
export function measureOperations(options: MeasureOptions = {}): () => void {
  const provider = options?.meterProvider ?? metrics;
  if (typeof options !== 'object' || options === null || typeof provider.getMeter !== 'function') {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'meterProvider must be a MeterProvider');
  }
  const duration = provider.getMeter(NAME).createHistogram('cvm.operation.duration', {
    unit: 's',
    description: 'Duration of attestation operations and of verifications.',
    advice: { explicitBucketBoundaries: BOUNDARIES },
  });
  const record = (event: OperationEvent | VerificationEvent): void =>
    duration.record(event.durationMs / 1000, {
      'cvm.operation': event.operation,
      ...(!event.ok && { 'error.type': errorType(event.code) }),
    });
  const channels = [...OPERATIONS, 'verification'].map((operation) => `${NAME}:${operation}`);
  const listener = (event: unknown): void => record(event as OperationEvent | VerificationEvent);
  for (const channel of channels) subscribe(channel, listener);
  return () => {
    for (const channel of channels) unsubscribe(channel, listener);
  };
}

/** As in spans: the name of a code. An operation without one was aborted. */
function errorType(code: number | string | undefined): string {
  if (typeof code === 'string') return code;
  return code === undefined ? 'AbortError' : (CODE_NAMES.get(code) ?? 'UNKNOWN');
}
