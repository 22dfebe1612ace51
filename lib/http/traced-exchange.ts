import { traced } from '../base/tracing.js';
import type { HttpAnswer, HttpRequest, Transport } from './transport.js';

/**
 * One exchange as a step of its own, named and described as OpenTelemetry's conventions for HTTP clients have it, but for
 * `url.full`: the paths of AMD's key server name a chip. Nothing is added to the request.
 *
 * @param resend how often the same request was sent before
 */
export function tracedExchange(
  transport: Transport,
  [request, limits, signal]: Parameters<Transport>,
  resend = 0,
): Promise<HttpAnswer> {
  return traced({ name: request.method, kind: 'client', attributes: attributesOf(request, resend) }, async (notes) => {
    const answer = await transport(request, limits, signal);
    notes.add({ 'http.response.status_code': answer.status });
    if (answer.status >= 400) notes.failed(String(answer.status));
    return answer;
  });
}

function attributesOf({ method, url }: HttpRequest, resend: number): Record<string, string | number> {
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  return {
    'http.request.method': method,
    'server.address': url.hostname,
    'server.port': port,
    ...(resend > 0 && { 'http.request.resend_count': resend }),
  };
}
