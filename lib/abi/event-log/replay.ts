import { utf8Bytes } from '../../base/bytes.js';
import { invalid, readArguments } from '../../base/options.js';
import { HASHES, type HashName, sha2 } from '../../base/sha2.js';
import { EV_EFI_HCRTM_EVENT, EV_NO_ACTION } from './event-types.js';
import { type EventHash, type EventLog, hashOfBank, startsWith } from './parse.js';

const STARTUP_LOCALITY = /* @__PURE__ */ utf8Bytes('StartupLocality\0');
/** What PCR 0 starts with when a hardware core root of trust was measured (TPM 2.0 Library, part 1, "H-CRTM"). */
const HCRTM_LOCALITY = 4;
const FIRST_DYNAMIC_PCR = 17;
const LAST_DYNAMIC_PCR = 22;

/**
 * The PCR values that a log leads to, for the PCRs that it extends. PCR 0 starts at the locality that the log states, or
 * at 4 before an EV_EFI_HCRTM_EVENT; PCRs 17 to 22 start with all bits set, as before a dynamic launch. A PCR with an event
 * that has no digest for this bank is left out (`log.notReplayable` names it), so all are when the log lacks the bank.
 */
export function replayEventLog(log: EventLog, bank: EventHash = 'sha256'): Map<number, Uint8Array> {
  return readArguments('replayEventLog', () => replayWith(sha2, log, bank));
}

/** A hash function: this package's own, or an engine's. */
export type Digest = (hash: HashName, data: Uint8Array) => Uint8Array;

/** {@link replayEventLog} with another implementation of the hash. */
export function replayWith(digest: Digest, log: EventLog, bank: EventHash): Map<number, Uint8Array> {
  const hash = hashOfBank(bank);
  if (!Object.hasOwn(HASHES, hash)) throw invalid('bank must be sha1, sha256, sha384 or sha512');
  const size = HASHES[hash].digestBytes;
  const pcrs = new Map<number, Uint8Array>();
  const incomplete = new Set<number>();
  // One buffer for value and digest: a log has thousands of events.
  const extended = new Uint8Array(2 * size);
  for (const { pcr, type, data, digests } of log.events) {
    if (type === EV_NO_ACTION) {
      if (pcr === 0 && startsWith(data, STARTUP_LOCALITY) && !pcrs.has(0)) {
        pcrs.set(0, startValue(size, data[STARTUP_LOCALITY.length] ?? 0));
      }
      continue;
    }
    const measured = digests[bank];
    if (measured === undefined) {
      incomplete.add(pcr);
      continue;
    }
    extended.set(pcrs.get(pcr) ?? initialValue(pcr, type, size));
    extended.set(measured, size);
    pcrs.set(pcr, digest(hash, extended));
  }
  for (const pcr of incomplete) pcrs.delete(pcr);
  return pcrs;
}

function initialValue(pcr: number, type: number, size: number): Uint8Array {
  if (pcr === 0 && type === EV_EFI_HCRTM_EVENT) return startValue(size, HCRTM_LOCALITY);
  const isDynamic = pcr >= FIRST_DYNAMIC_PCR && pcr <= LAST_DYNAMIC_PCR;
  return new Uint8Array(size).fill(isDynamic ? 0xff : 0);
}

function startValue(size: number, locality: number): Uint8Array {
  const value = new Uint8Array(size);
  value[size - 1] = locality;
  return value;
}
