import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import { createServer, type Server } from 'node:https';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { callable, flag, numberWithin } from '../../base/option-kinds.js';
import { checkOptions, invalid, nested, type OptionTable, required } from '../../base/options.js';
import { tell } from '../../base/tell.js';
import type { AttestationClient } from '../../guest/client.js';
import { AttestedEnd, endIdentity } from './attested-end.js';
import { attestationClient, type ChannelTlsOptions, DEMANDS, tlsOptions } from './channel-options.js';
import { type ChannelRequest, Gate, type GateRules } from './gate.js';
import { type ChannelAttestation, type PeerDemands, PeerVerifier } from './peer-verifier.js';
import { serveRaw } from './raw-server.js';
import { RememberedMachines } from './remembered.js';
import { CHANNEL_TLS } from './tls-facts.js';

export interface AttestedServerOptions {
  /** This machine: whose TPM signs. */
  client: AttestationClient;
  tls?: ChannelTlsOptions;
  /** Mutual mode: clients must be machines like this, too, before anything reaches the application. */
  clients?: PeerDemands;
  /** Who may have evidence, which names the virtual machine and its chip. Default: everyone. */
  mayAsk?: (request: ChannelRequest) => boolean | Promise<boolean>;
  /** Default 5. */
  maxQuotesPerSecond?: number;
  /** HTTP/2, with HTTP/1.1 for clients without. Default false: HTTP/1.1. */
  http2?: boolean;
  /** Told of every connection or message that was refused. What it throws, or its promise rejects with, changes nothing. */
  onRefusal?: (error: unknown) => void | Promise<void>;
}

const OPTIONS: OptionTable<AttestedServerOptions> = {
  client: required(attestationClient),
  tls: tlsOptions,
  clients: nested(DEMANDS),
  mayAsk: callable(),
  maxQuotesPerSecond: numberWithin(0.001, 1000),
  http2: flag,
  onRefusal: callable(),
};

type Listener<Request, Response> = (request: Request, response: Response) => void;

/**
 * A server whose connections end, provably, in this machine: a `node:https` server (with `http2: true` a `node:http2` one)
 * that answers the attested channel's protocol itself and hands everything else to the application. In mutual mode nothing
 * reaches the application, whatever event it listens to, before the connection's client has attested: 403
 * `ERR_CHANNEL_NOT_ATTESTED`. What was proven stands in `request.socket.attestation`.
 *
 * Experimental: docs/attested-channel.md says what it proves and what not.
 *
 * @throws {AttestationError} 8 for wrong options
 */
export function attestedServer(
  options: AttestedServerOptions & { http2: true },
  listener?: Listener<Http2ServerRequest, Http2ServerResponse>,
): Http2SecureServer;
export function attestedServer(
  options: AttestedServerOptions & { http2?: false },
  listener?: Listener<IncomingMessage, ServerResponse>,
): Server;
export function attestedServer(
  options: AttestedServerOptions,
  listener?: Listener<IncomingMessage, ServerResponse> | Listener<Http2ServerRequest, Http2ServerResponse>,
): Server | Http2SecureServer {
  const { tls, rules } = checked('attestedServer', options);
  const server = options.http2 === true ? createSecureServer({ ...tls, allowHTTP1: true }) : createServer(tls);
  if (listener !== undefined) server.on('request', listener as Listener<unknown, unknown>);
  new Gate(rules).guard(server);
  return server;
}

/**
 * The same for a protocol of the application's own: `listener` gets each TLS socket once its client has asked (and, in mutual mode,
 * has attested). Clients use {@link connectAttested} with `bare: true`.
 *
 * @throws {AttestationError} 8 for wrong options
 */
export function attestedTlsServer(
  options: Omit<AttestedServerOptions, 'http2'>,
  listener: (socket: TLSSocket) => void,
): TlsServer {
  const { tls, rules } = checked('attestedTlsServer', options);
  return createTlsServer({ ...tls, pauseOnConnect: false }, (socket) => void serveRaw(socket, rules, listener));
}

function checked(what: string, options: AttestedServerOptions) {
  const given = checkOptions(what, options, OPTIONS);
  const { client, tls = {}, clients, mayAsk, maxQuotesPerSecond = 5, onRefusal } = given;
  const { ca, rejectUnauthorized = false } = tls;
  const identity = endIdentity(client, tls);
  if (identity === undefined) throw invalid('a server has a certificate');
  const { key, cert, flags } = identity;
  const rules: GateRules = {
    end: new AttestedEnd(client, 'server', flags, { maxQuotesPerSecond }),
    clients: clients && new PeerVerifier(clients, rejectUnauthorized),
    remembered: new RememberedMachines<ChannelAttestation>(),
    mayAsk,
    onRefusal: (error) => tell(() => onRefusal?.(error)),
  };
  return {
    rules,
    tls: {
      ...CHANNEL_TLS,
      key: key as string,
      cert: cert as string,
      ...(ca !== undefined && { ca: ca as string }),
      ...(clients !== undefined && { requestCert: true, rejectUnauthorized }),
    },
  };
}
