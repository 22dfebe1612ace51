import { SSL_OP_NO_TICKET } from 'node:constants';
import { createHash } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { parseCertificate } from '../../abi/x509.js';
import { channelError } from './errors.js';
import { EXPORTER_BYTES, EXPORTER_LABEL } from './protocol.js';

/** What both ends set: TLS 1.3 alone, and no tickets, so that no session is resumed. */
export const CHANNEL_TLS = Object.freeze({
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  secureOptions: SSL_OP_NO_TICKET,
} as const);

/** What an end knows of its own connection, and takes from nobody. */
export interface TlsFacts {
  /** Exporter of this connection, 32 bytes: known to its two ends and to nobody else. */
  exporter: Uint8Array;
  /** SHA-256 of the SubjectPublicKeyInfo of this end's certificate, when it has shown one. */
  readonly own: Uint8Array | undefined;
  /** The same of the peer's. */
  peer: Uint8Array | undefined;
}

/**
 * Reads the facts of a finished handshake.
 *
 * A resumed session would have the exporter of this connection, but no certificates: it is refused as TLS 1.2 is, whose
 * exporter does not cover the handshake (RFC 7627).
 *
 * @throws {VerificationError} `ERR_CHANNEL_TLS`
 */
export function tlsFacts(socket: TLSSocket): TlsFacts {
  if (socket.getProtocol() !== 'TLSv1.3') throw channelError('ERR_CHANNEL_TLS', `it is ${socket.getProtocol()}`);
  if (socket.isSessionReused()) throw channelError('ERR_CHANNEL_TLS', 'the session was resumed');
  let exporter: Uint8Array;
  try {
    // Node's types demand a context; OpenSSL takes none and an empty one for the same in TLS 1.3.
    exporter = new Uint8Array(socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0)));
  } catch (cause) {
    throw channelError('ERR_CHANNEL_TLS', 'no exporter', cause);
  }
  const peer = spkiSha256(socket.getPeerX509Certificate()?.raw);
  return {
    exporter,
    peer,
    // Read when this end attests: a client that remembers its server does not.
    get own() {
      return spkiSha256(socket.getX509Certificate()?.raw);
    },
  };
}

const MAX_CERTIFICATES = 1000;
const spkiDigests = new Map<string, Uint8Array>();

/**
 * Over the bytes as they stand in the certificate: a key has more than one encoding. Certificates come again with each
 * connection, so what was read of one is kept under its hash.
 */
function spkiSha256(der: Uint8Array | undefined): Uint8Array | undefined {
  if (der === undefined) return undefined;
  const name = createHash('sha256').update(der).digest('base64');
  const known = spkiDigests.get(name);
  if (known !== undefined) return known;
  try {
    const digest = createHash('sha256').update(parseCertificate(der).spki).digest();
    if (spkiDigests.size >= MAX_CERTIFICATES) spkiDigests.clear();
    spkiDigests.set(name, digest);
    return digest;
  } catch (cause) {
    throw channelError('ERR_CHANNEL_TLS', 'the certificate is malformed', cause);
  }
}
