import { traced } from '../base/tracing.js';
import type { HttpAnswer, Transport } from './transport.js';

/**
 * One exchange as a step of its own, named as OpenTelemetry's conventions for HTTP clients have it. Nothing is added to the
 * request.
 *
 * @param resend how often the same request was sent before
 */
export function tracedExchange(
  transport: Transport,
  [request, limits, signal]: Parameters<Transport>,
  resend = 0,
): Promise<HttpAnswer> {
  return traced({ name: request.method, request, resend }, async (notes) => {
    const answer = await transport(request, limits, signal);
    notes.answered(answer.status);
    return answer;
  });
}
