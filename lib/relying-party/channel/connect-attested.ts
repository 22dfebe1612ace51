import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { isIP } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { abortError } from '../../base/abort.js';
import { AttestationError, ErrorCode } from '../../base/errors.js';
import { abortSignal, flag, integer, milliseconds, text } from '../../base/option-kinds.js';
import { checkOptions, type OptionTable, required } from '../../base/options.js';
import type { AttestationClient } from '../../guest/client.js';
import { AttestedEnd, endIdentity } from './attested-end.js';
import { attestationClient, type ChannelTlsOptions, DEMANDS, tlsOptions } from './channel-options.js';
import { channelError } from './errors.js';
import { type ChannelAttestation, type PeerDemands, peerVerifier } from './peer-verifier.js';
import { MAX_MESSAGE_BYTES } from './protocol.js';
import { type PostMessage, rawPost } from './raw-exchange.js';
import { attestServer, type ClientOutcome, type ClientRules, withDeadline } from './relying-end.js';
import { channelContext } from './secure-context.js';
import { CHANNEL_TLS, tlsFacts } from './tls-facts.js';

declare module 'node:tls' {
  interface TLSSocket {
    /** What was proven about the machine at the other end, by `connectAttested` or `attestedServer`. */
    readonly attestation?: ChannelAttestation;
  }
}

export interface ConnectAttestedOptions extends PeerDemands {
  host: string;
  /** Default 443. */
  port?: number;
  /** Name that the certificate is checked against. Default: `host`. */
  servername?: string;
  tls?: ChannelTlsOptions;
  /** This machine, where the server demands evidence of its clients. */
  client?: AttestationClient;
  /** The server speaks no HTTP (`attestedTlsServer`). Default false. */
  bare?: boolean;
  /** From dialling to the verdict, in milliseconds. Default 30,000. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

const OPTIONS: OptionTable<ConnectAttestedOptions> = {
  ...DEMANDS,
  host: required(text),
  port: integer(1, 65_535),
  servername: text,
  tls: tlsOptions,
  client: attestationClient,
  bare: flag,
  timeoutMs: milliseconds,
  signal: abortSignal,
};
const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * Connects to a machine and resolves once it is proven that this very TLS connection ends there: a TLS socket with
 * `attestation`, on which nothing of the application's was sent yet. Hand it to `https.request` as
 * `createConnection: () => socket`. It is closed when the verification has grown older than `maxAge`.
 *
 * Experimental: docs/attested-channel.md says what it proves and what not.
 *
 * @throws {AttestationError} 8 for wrong options, among them such as accept any tenant's machine; 7 when the connection fails
 * @throws {VerificationError} `ERR_CHANNEL_…`, or the refusal of the evidence with its checks
 */
export async function connectAttested(options: ConnectAttestedOptions): Promise<TLSSocket> {
  return new Connector(options).connect(options.signal);
}

/**
 * The same as an HTTP/2 session. It attests again, on the same connection, before the verification grows too old, and is
 * closed when that fails.
 */
export async function connectAttestedHttp2(options: Omit<ConnectAttestedOptions, 'bare'>): Promise<ClientHttp2Session> {
  return new Connector(options).connectHttp2(options.signal);
}

/** Checked options, for one connection or many. */
export class Connector {
  readonly #rules: ClientRules;
  readonly #tls: ConnectionOptions;
  readonly #timeoutMs: number;

  /** @throws {AttestationError} 8 */
  constructor(options: ConnectAttestedOptions) {
    const given = checkOptions('connectAttested', options, OPTIONS);
    const { host, port = 443, servername = host, tls = {}, client, bare = false, signal: _, ...rest } = given;
    const { timeoutMs = DEFAULT_TIMEOUT_MS, ...demands } = rest;
    const { ca, rejectUnauthorized = true } = tls;
    const identity = endIdentity(client, tls);
    this.#timeoutMs = timeoutMs;
    this.#rules = {
      verifier: peerVerifier(demands, rejectUnauthorized),
      authority: `${host}:${port}`,
      end: client && new AttestedEnd(client, 'client', identity?.flags ?? 0),
      alwaysAsk: bare,
    };
    this.#tls = {
      ...CHANNEL_TLS,
      host,
      port,
      rejectUnauthorized,
      // RFC 6066 section 3: an address is not a name.
      ...(isIP(servername) === 0 && { servername }),
      secureContext: channelContext({
        ...(ca !== undefined && { ca }),
        ...(identity && { key: identity.key, cert: identity.cert }),
      }),
    };
  }

  connect(signal?: AbortSignal): Promise<TLSSocket> {
    return withDeadline(this.#timeoutMs, signal, async (until) => {
      const socket = await this.#dial(['http/1.1'], until);
      return destroyedOnFailure(socket, async () => {
        const outcome = await attestServer(
          rawPost(socket, this.#rules.authority),
          tlsFacts(socket),
          this.#rules,
          until,
        );
        admit(socket, outcome);
        return socket;
      });
    });
  }

  connectHttp2(signal?: AbortSignal): Promise<ClientHttp2Session> {
    return withDeadline(this.#timeoutMs, signal, async (until) => {
      const socket = await this.#dial(['h2'], until);
      return destroyedOnFailure(socket, async () => {
        if (socket.alpnProtocol !== 'h2') throw channelError('ERR_CHANNEL_TLS', 'the server does not speak HTTP/2');
        const session = connectHttp2(`https://${this.#rules.authority}`, { createConnection: () => socket });
        session.on('error', () => socket.destroy());
        const outcome = await attestServer(http2Post(session), tlsFacts(socket), this.#rules, until);
        const expiry = admit(socket, outcome);
        this.#attestAgain(session, socket, outcome, expiry);
        return session;
      });
    });
  }

  /** A session is one socket that can be addressed: it attests again when three quarters of the time have passed. */
  #attestAgain(session: ClientHttp2Session, socket: TLSSocket, { until }: ClientOutcome, expiry: NodeJS.Timeout): void {
    const left = until - performance.now();
    const timer = setTimeout(
      () => {
        withDeadline(this.#timeoutMs, undefined, (signal) =>
          attestServer(http2Post(session), tlsFacts(socket), { ...this.#rules, alwaysAsk: true }, signal),
        ).then(
          (outcome) => {
            clearTimeout(expiry);
            this.#attestAgain(session, socket, outcome, admit(socket, outcome));
          },
          // What could not be attested again ends at its time.
          () => undefined,
        );
      },
      Math.max(0, left * 0.75),
    );
    timer.unref();
    socket.once('close', () => clearTimeout(timer));
  }

  #dial(ALPNProtocols: string[], signal: AbortSignal): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const socket = connectTls({ ...this.#tls, ALPNProtocols });
      const settle = (act: () => void): void => {
        socket.off('secureConnect', onConnect).off('error', onError);
        signal.removeEventListener('abort', onAbort);
        act();
      };
      const onConnect = (): void => settle(() => resolve(socket));
      const onError = (cause: Error): void =>
        settle(() => {
          const message = `the connection to ${this.#rules.authority} failed: ${cause.message}`;
          reject(new AttestationError(ErrorCode.SENDING_CURL_REQUEST_FAILED, message, { cause }));
        });
      const onAbort = (): void =>
        settle(() => {
          socket.on('error', () => undefined).destroy();
          reject(signal.reason instanceof Error && 'code' in signal.reason ? signal.reason : abortError(signal));
        });
      socket.once('secureConnect', onConnect).once('error', onError);
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
  }
}

async function destroyedOnFailure<T>(socket: TLSSocket, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    socket.on('error', () => undefined).destroy();
    throw error;
  }
}

/** Marks the socket, and closes it when what was proven has grown too old. */
function admit(socket: TLSSocket, { attestation, until }: ClientOutcome): NodeJS.Timeout {
  Object.defineProperty(socket, 'attestation', { value: attestation, configurable: true, enumerable: true });
  const expiry = setTimeout(() => socket.destroy(), Math.max(0, until - performance.now()));
  expiry.unref();
  socket.once('close', () => clearTimeout(expiry));
  return expiry;
}

function http2Post(session: ClientHttp2Session): PostMessage {
  return (path, body, signal) =>
    new Promise((resolve, reject) => {
      const stream = session.request(
        { ':method': 'POST', ':path': path, 'content-type': 'application/json' },
        { signal },
      );
      const parts: Buffer[] = [];
      let size = 0;
      let status = 0;
      let retryAfter: number | undefined;
      stream.on('response', (headers) => {
        status = headers[':status'] ?? 0;
        const seconds = Number(headers['retry-after']);
        if (Number.isInteger(seconds) && seconds > 0) retryAfter = seconds;
      });
      stream.on('data', (part: Buffer) => {
        size += part.length;
        if (size > MAX_MESSAGE_BYTES) stream.destroy(channelError('ERR_CHANNEL_MESSAGE', 'too large'));
        else parts.push(part);
      });
      stream.on('error', (error) => reject(signal.aborted ? channelError('ERR_CHANNEL_DEADLINE') : error));
      stream.on('end', () =>
        resolve({ status, body: Buffer.concat(parts), ...(retryAfter !== undefined && { retryAfter }) }),
      );
      stream.end(body);
    });
}
