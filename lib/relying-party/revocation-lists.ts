import { parseRevocationList } from '../abi/crl.js';
import { SigningKey, type SnpReport } from '../abi/snp-report-fields.js';
import type { Product } from '../abi/tcb.js';
import { answerWithin } from '../base/abort.js';
import { messageOf, VerificationError } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { bytesOrText, callable, custom, listOf } from '../base/option-kinds.js';
import type { OptionKind } from '../base/options.js';
import type { EndorsementKind } from '../imds/kds-url.js';

/** What fetches AMD's revocation list for a product and a kind of signing key, DER or PEM: `KdsClient.crl` for one. */
export type FetchCrl = (product: Product, kind: EndorsementKind) => Promise<Uint8Array | string>;

/** Which of AMD's lists a report is judged by. */
export interface WantedCrl {
  product: Product;
  kind: EndorsementKind;
}

const fetches = /* @__PURE__ */ callable<FetchCrl>();
const lists = /* @__PURE__ */ listOf(bytesOrText);

/** Revocation lists, or what fetches them: an option of whoever judges evidence of others. */
export const crlSource: OptionKind<readonly (Uint8Array | string)[] | FetchCrl> = /* @__PURE__ */ custom(
  (value, name) => (typeof value === 'function' ? fetches.check(value, name) : lists.check(value, name)),
);

/** After this the source is asked again: AMD issues a list when something is revoked. */
const ASKED_AGAIN_MS = 3_600_000;
/** For so long a list stands in while the source cannot answer. */
const STANDS_IN_MS = 24 * ASKED_AGAIN_MS;
/** Meanwhile the source is asked so often: only one request in that time waits for it. */
const TRIED_AGAIN_MS = 60_000;

interface KnownList {
  list: Uint8Array | string;
  /** When it was fetched, ms since the epoch. */
  at: number;
  /** Until when nobody asks for it again. */
  askAgainAt: number;
  /** Its own `thisUpdate`; 0 for what is no list. */
  start: number;
  /** Its own `nextUpdate`; 0 for what is no list, or has none. */
  end: number;
}

/**
 * AMD's lists as a service has them in its memory: there are two for each product, so that all evidence but the first is
 * judged at once. Nothing of a list is believed before the root's signature on it is verified, each time.
 */
export class RevocationLists {
  readonly #fetch: FetchCrl;
  readonly #deadlineMs: number;
  readonly #logger: Logger;
  readonly #known = new Map<string, KnownList>();
  readonly #pending = new Map<string, Promise<Uint8Array | string>>();

  constructor(fetch: FetchCrl, deadlineMs: number, logger: Logger) {
    this.#fetch = fetch;
    this.#deadlineMs = deadlineMs;
    this.#logger = logger;
  }

  /** Those that need not be asked for again yet. */
  get current(): (Uint8Array | string)[] {
    return [...this.#known.values()].filter(isCurrent).map(({ list }) => list);
  }

  /**
   * One list: a current one, or else from its source, or else the last one. Who asks meanwhile waits for the same answer.
   *
   * @throws {VerificationError} `ERR_CRL_UNAVAILABLE`
   */
  async get({ product, kind }: WantedCrl): Promise<Uint8Array | string> {
    const name = `${kind} ${product}`;
    const known = this.#known.get(name);
    if (known !== undefined && isCurrent(known)) return known.list;
    try {
      const list = await answerWithin(this.#deadlineMs, this.#asked(name, { product, kind }));
      const times = timesOf(list);
      // Once the known one stands in no longer, the source is believed again: it may have been that one which was wrong.
      if (known !== undefined && standsIn(known) && !isSuccessor(times, known)) {
        throw new Error('its source has no list, or an older one');
      }
      const at = Date.now();
      this.#known.set(name, { list, at, askAgainAt: at + ASKED_AGAIN_MS, ...times });
      return list;
    } catch (error) {
      this.#logger.warn(`the revocation list of ${product} cannot be had: ${messageOf(error)}`);
      // What never answers must not keep the next one from asking.
      this.#pending.delete(name);
      if (known !== undefined && standsIn(known)) {
        known.askAgainAt = Math.min(Date.now() + TRIED_AGAIN_MS, known.at + STANDS_IN_MS);
        return known.list;
      }
      throw new VerificationError('ERR_CRL_UNAVAILABLE', 'AMD’s revocation list cannot be had', [], error);
    }
  }

  #asked(name: string, { product, kind }: WantedCrl): Promise<Uint8Array | string> {
    const pending = this.#pending.get(name);
    if (pending !== undefined) return pending;
    const answer = (async () => bytesOrText.check(await this.#fetch(product, kind), 'the answer of crls'))();
    this.#pending.set(name, answer);
    const settled = () => {
      if (this.#pending.get(name) === answer) this.#pending.delete(name);
    };
    answer.then(settled, settled);
    return answer;
  }
}

const isCurrent = ({ at, askAgainAt, end }: KnownList): boolean => isBetween(at, Math.min(askAgainAt, end));

const standsIn = ({ at, end }: KnownList): boolean => isBetween(at, Math.min(at + STANDS_IN_MS, end));

/** A clock that was set back makes nothing current. */
function isBetween(start: number, end: number): boolean {
  const now = Date.now();
  return start <= now && now < end;
}

/** Of what is no list the verification says so. */
function timesOf(list: Uint8Array | string): Pick<KnownList, 'start' | 'end'> {
  try {
    const { thisUpdate, nextUpdate } = parseRevocationList(list);
    return { start: thisUpdate.getTime(), end: nextUpdate?.getTime() ?? 0 };
  } catch {
    return { start: 0, end: 0 };
  }
}

/** What is older would take revocations back; one that does not end is refused by every verification. */
function isSuccessor(next: Pick<KnownList, 'start' | 'end'>, known: KnownList): boolean {
  return next.end !== 0 && next.start >= known.start;
}

/** The list for a report; undefined for a report that names no processor. */
export function wantedCrl({ product, signingKey }: Pick<SnpReport, 'product' | 'signingKey'>): WantedCrl | undefined {
  if (product === undefined) return undefined;
  return { product, kind: signingKey === SigningKey.VLEK ? 'vlek' : 'vcek' };
}
