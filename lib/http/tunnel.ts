import http from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { proxyAuthorization } from './proxy.js';

/**
 * A TLS connection to `target` through a proxy, which sees names and sizes and nothing else (RFC 9110 section 9.3.6).
 * `done` is called once; what the function returns gives up.
 */
export function openTunnel(
  proxy: URL,
  target: URL,
  ca: string | undefined,
  done: (error: Error | null, socket?: Duplex) => void,
): () => void {
  const host = target.hostname.replace(/^\[|\]$/g, '');
  const authority = `${target.hostname}:${target.port === '' ? '443' : target.port}`;
  const request = (proxy.protocol === 'https:' ? https : http).request({
    host: proxy.hostname.replace(/^\[|\]$/g, ''),
    port: proxy.port === '' ? (proxy.protocol === 'https:' ? 443 : 80) : proxy.port,
    method: 'CONNECT',
    path: authority,
    headers: { Host: authority, ...proxyAuthorization(proxy) },
    agent: false,
    ...(ca !== undefined && proxy.protocol === 'https:' && { ca }),
  });
  let secured: tls.TLSSocket | undefined;
  const fail = (error: Error): void => done(new Error(`proxy ${proxy.host}: ${error.message}`, { cause: error }));
  request.on('error', fail);
  request.once('response', ({ statusCode }) => {
    request.destroy();
    fail(new Error(`it answered ${statusCode} to CONNECT`));
  });
  request.once('connect', ({ statusCode }, socket, head) => {
    if (statusCode !== 200 || head.length > 0) {
      socket.destroy();
      fail(new Error(`it answered ${statusCode} to CONNECT`));
      return;
    }
    secured = tls.connect({
      socket,
      host,
      ...(isIP(host) === 0 && { servername: host }),
      ...(ca !== undefined && { ca }),
      ALPNProtocols: ['http/1.1'],
    });
    // The name's own errors, such as a certificate that is not trusted, are not the proxy's.
    secured.once('error', (error) => done(error));
    secured.once('secureConnect', () => done(null, secured));
  });
  request.end();
  return () => {
    request.destroy();
    secured?.destroy();
  };
}
