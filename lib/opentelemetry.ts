import { createRequire } from 'node:module';
import { type Span, SpanKind, SpanStatusCode, type TracerProvider, trace } from '@opentelemetry/api';
import { AttestationError, ErrorCode, VerificationError } from './base/errors.js';
import { type Step, type Tracer, useTracer } from './base/tracing.js';
import { HttpError } from './http/transport.js';
import { isNativeError } from './native.js';

export interface OpenTelemetryOptions {
  /** Default: the one registered with the API, whether that comes before or after this call. */
  tracerProvider?: TracerProvider;
}

export { type MeasureOptions, measureOperations } from './opentelemetry-metrics.js';

const NAME = 'cvm-guest-attestation';

/** What a span may say: names, counts and codes. Neither data, keys, tokens nor anybody's sentences. */
type StepAttributes = Record<string, string | number>;

/**
 * Makes spans of the operations of every client and of `encrypt` and `verifyToken`, with what they wait for as their
 * children: each call of the TPM, from when it is queued, and each HTTP request. For this thread, until the returned
 * function is called; a second call takes the place of the first. docs/observability.md lists names and attributes.
 *
 * Spans nest, also below the caller's own, where a context manager is registered with the API: Node's SDKs do that.
 *
 * @returns ends it
 * @throws AttestationError 8 for a tracerProvider without getTracer
 */
export function traceOperations(options: OpenTelemetryOptions = {}): () => void {
  const provider = options?.tracerProvider ?? trace;
  if (typeof options !== 'object' || options === null || typeof provider.getTracer !== 'function') {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'tracerProvider must be a TracerProvider');
  }
  const tracer = provider.getTracer(NAME, ownVersion());
  const inSpan: Tracer = (step, work) => {
    const { request } = step;
    const [name, kind] = request ? [step.name, SpanKind.CLIENT] : [`cvm.${step.name}`, SpanKind.INTERNAL];
    return tracer.startActiveSpan(name, { kind, attributes: attributesOf(step) }, async (span) => {
      try {
        return await work({
          answered: (status) => {
            span.setAttributes({ 'http.response.status_code': status });
            if (status >= 400) fail(span, { 'error.type': String(status) });
          },
        });
      } catch (error) {
        fail(span, describe(error));
        throw error;
      } finally {
        span.end();
      }
    });
  };
  return useTracer(inSpan);
}

/**
 * What OpenTelemetry's conventions for HTTP clients say of a request, but for `url.full`: the paths of AMD's key server name a
 * chip.
 */
function attributesOf({ request, resend = 0 }: Step): StepAttributes {
  if (request === undefined) return {};
  const { method, url } = request;
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  return {
    'http.request.method': method,
    'server.address': url.hostname,
    'server.port': port,
    ...(resend > 0 && { 'http.request.resend_count': resend }),
  };
}

/** Codes and classes alone: an error's sentence may quote the service or a token, and goes to the caller. */
function describe(error: unknown): StepAttributes {
  if (error instanceof AttestationError) {
    const { code, codeName, tpmErrorCode } = error;
    return {
      'error.type': codeName,
      'cvm.error_code': code,
      ...(tpmErrorCode !== 0 && { 'cvm.tpm_error_code': tpmErrorCode }),
    };
  }
  if (error instanceof VerificationError) return { 'error.type': error.code };
  if (error instanceof HttpError) return { 'error.type': error.reason };
  if (isNativeError(error)) {
    const { kind, tpmErrorCode } = error;
    return { 'error.type': kind, ...(tpmErrorCode !== 0 && { 'cvm.tpm_error_code': tpmErrorCode }) };
  }
  return { 'error.type': error instanceof Error ? error.name : typeof error };
}

function fail(span: Span, attributes: StepAttributes): void {
  span.setAttributes(attributes);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** Unknown to a bundle that runs without the package beside it, or that leaves `import.meta` empty. */
function ownVersion(): string | undefined {
  try {
    const manifest = createRequire(import.meta.url)(`${NAME}/package.json`) as { version: string };
    return manifest.version;
  } catch {
    return undefined;
  }
}
