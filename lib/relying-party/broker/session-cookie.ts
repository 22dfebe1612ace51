import { createHmac, timingSafeEqual } from 'node:crypto';
import { decodeBase64url } from '../../base/base64url.js';
import { isJsonObject } from '../../base/strict-json.js';
import { deriveKey } from '../secrets.js';
import { BrokerRefusal, type BrokerTee, SESSION_COOKIE } from './protocol.js';
import type { RecipientJwk } from './recipient-key.js';

/**
 * cookie = base64url(u8 state ‖ payload ‖ HMAC-SHA-256(K, `kbs-cookie v1` ‖ 0x00 ‖ u16 length ‖ broker name ‖ SHA-256(policy,
 * roots, options) ‖ u8 state ‖ payload)): another broker's cookie, or one from before a change of policy, is refused.
 */
const PREFIX = Buffer.from('kbs-cookie v1\0');
const MAC_BYTES = 32;
const MAXIMUM_COOKIE = 4_000;
const STATES = { challenged: 1, attested: 2 } as const;
export const SESSION_MS = 300_000;

interface Payloads {
  challenged: { nonce: string; tee: BrokerTee; exp: number };
  attested: { key: RecipientJwk; claims: Record<string, unknown>; exp: number };
}

export type SessionState = keyof Payloads;

export class SessionCookies {
  readonly #keys: readonly Buffer[];
  readonly #bound: Buffer;
  readonly #secure: boolean;

  constructor(secrets: readonly Uint8Array[], name: string, digest: Uint8Array, secure: boolean) {
    const nameBytes = Buffer.from(name, 'utf8');
    const length = Buffer.alloc(2);
    length.writeUInt16BE(nameBytes.length);
    this.#keys = secrets.map((secret) => deriveKey(secret, 'kbs cookie'));
    this.#bound = Buffer.concat([PREFIX, length, nameBytes, digest]);
    this.#secure = secure;
  }

  /** Value of `Set-Cookie`. */
  seal<State extends SessionState>(state: State, payload: Payloads[State]): string {
    const content = Buffer.concat([Buffer.from([STATES[state]]), Buffer.from(JSON.stringify(payload), 'utf8')]);
    const value = Buffer.concat([content, this.#mac(this.#keys[0] as Buffer, content)]).toString('base64url');
    if (value.length > MAXIMUM_COOKIE) throw new BrokerRefusal(500, 'Session', 'the session does not fit in a cookie');
    const attributes = 'HttpOnly; SameSite=Strict; Path=/kbs/v0; Max-Age=300';
    return `${SESSION_COOKIE}=${value}; ${attributes}${this.#secure ? '; Secure' : ''}`;
  }

  /**
   * The session of a request.
   *
   * @throws {BrokerRefusal} 401 for none, more than one, one of another state, broker or policy, altered, or too old.
   */
  open<State extends SessionState>(state: State, header: string | null): Payloads[State] {
    const values = (header ?? '')
      .split(';')
      .map((part) => part.trim())
      .filter((part) => part.startsWith(`${SESSION_COOKIE}=`))
      .map((part) => part.slice(SESSION_COOKIE.length + 1));
    const [value, ...others] = values;
    if (value === undefined) throw noSession('there is no session');
    if (others.length > 0 || value.length > MAXIMUM_COOKIE) throw noSession('the session cannot be read');
    const bytes = decodeBase64url(value);
    if (bytes === undefined || bytes.length <= 1 + MAC_BYTES) throw noSession('the session cannot be read');
    const content = bytes.subarray(0, -MAC_BYTES);
    const mac = bytes.subarray(-MAC_BYTES);
    const isOurs = this.#keys.some((key) => timingSafeEqual(mac, this.#mac(key, content)));
    if (!isOurs || content[0] !== STATES[state]) throw noSession('the session is not of this step');
    const payload: unknown = JSON.parse(Buffer.from(content.subarray(1)).toString('utf8'));
    if (!isJsonObject(payload) || typeof payload.exp !== 'number' || payload.exp <= Date.now()) {
      throw noSession('the session has expired');
    }
    return payload as unknown as Payloads[State];
  }

  #mac(key: Buffer, content: Uint8Array): Buffer {
    return createHmac('sha256', key).update(this.#bound).update(content).digest();
  }
}

export function noSession(detail: string): BrokerRefusal {
  return new BrokerRefusal(401, 'Unauthenticated', detail);
}
