import { createSecureContext, type SecureContext } from 'node:tls';
import { digestOf } from './remembered.js';
import { CHANNEL_TLS } from './tls-facts.js';

/** What a client shows and trusts in TLS. */
export interface ContextParts {
  ca?: string | Uint8Array;
  key?: string | Uint8Array;
  cert?: string | Uint8Array;
}

const MAX_CONTEXTS = 16;
const contexts = new Map<string, SecureContext>();

/**
 * OpenSSL's context for a client's connections, the same for the same parts: reading authorities and key again costs as much
 * as the handshake. No session is kept in it (Node's clients resume only what they are given).
 */
export function channelContext(parts: ContextParts): SecureContext {
  const digest = digestOf(parts);
  const known = contexts.get(digest);
  if (known !== undefined) return known;
  const context = createSecureContext({ ...CHANNEL_TLS, ...(parts as { ca?: string; key?: string; cert?: string }) });
  const [oldest] = contexts.keys();
  if (contexts.size >= MAX_CONTEXTS && oldest !== undefined) contexts.delete(oldest);
  contexts.set(digest, context);
  return context;
}
