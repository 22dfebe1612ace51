import { timingSafeEqual } from 'node:crypto';
import { evidenceFromJson } from '../../abi/evidence-json.js';
import { invalid } from '../../base/options.js';
import { nodeContext } from '../../node/context.js';
import { verifyProtocolEvidence } from '../../verify/evidence.js';
import { checkEvidenceOptions, type VerificationOptions } from '../../verify/options.js';
import type { VerifiedEvidence } from '../../verify/result.js';
import { endsOf } from '../evidence-ends.js';
import { channelError } from './errors.js';
import {
  batchUserData,
  CHANNEL_CONTEXT,
  type ChannelRole,
  challengeDigest,
  channelBinding,
  type EvidenceMessage,
} from './protocol.js';
import { digestOf } from './remembered.js';

/** What this end demands of the machine at the other. */
export interface PeerDemands extends Omit<VerificationOptions, 'nonce' | 'context' | 'userData'> {
  /** The hardware report, too, must have been made for this connection. Takes the peer up to three seconds. */
  freshReport?: boolean;
  /** How long a verification is relied on, in milliseconds. Default 600,000 (ten minutes). */
  maxAge?: number;
}

/** What was proven about the machine at the other end of a connection: `socket.attestation`. */
export interface ChannelAttestation {
  /** The end that was attested. */
  role: ChannelRole;
  evidence: VerifiedEvidence;
  /** The proven runtime claims, with the machine's attestation key. */
  claims: VerifiedEvidence['claims'];
  /** The peer says that its TLS key never left its process. */
  keyBornThere: boolean;
  /** Whether this connection was let in by an earlier verification. */
  remembered: boolean;
  verifiedAt: Date;
}

const DEFAULT_MAX_AGE_MS = 10 * 60 * 1000;
/** Root cannot reset these after boot: what they hold was measured before anyone could log in. */
const BOOT_PCRS = ['4', '7'];

export interface PeerFacts {
  role: ChannelRole;
  challenge: Uint8Array;
  exporter: Uint8Array;
  /** SHA-256 of the peer's SubjectPublicKeyInfo. */
  spkiSha256: Uint8Array | undefined;
}

const MAX_VERIFIERS = 64;
const verifiers = new Map<string, PeerVerifier>();

/**
 * The verifier of these demands: reading roots and policy takes as long as a handshake, so the same demands share one. With
 * a clock of the caller's there is one for each call.
 *
 * @throws {AttestationError} 8, see {@link PeerVerifier}
 */
export function peerVerifier(demands: PeerDemands, checksCertificate: boolean): PeerVerifier {
  if (demands.now !== undefined) return new PeerVerifier(demands, checksCertificate);
  const key = digestOf({ demands, checksCertificate });
  const known = verifiers.get(key);
  if (known !== undefined) return known;
  const verifier = new PeerVerifier(demands, checksCertificate);
  const [oldest] = verifiers.keys();
  if (verifiers.size >= MAX_VERIFIERS && oldest !== undefined) verifiers.delete(oldest);
  verifiers.set(key, verifier);
  return verifier;
}

/** Verifies machines by one set of demands, which is copied: a later change of the caller's objects changes nothing. */
export class PeerVerifier {
  readonly freshReport: boolean;
  /** The same demands, the same text. */
  readonly digest: string;
  readonly #options: Omit<PeerDemands, 'freshReport' | 'maxAge'>;
  readonly #maxAgeMs: number;

  /**
   * @param checksCertificate whether the TLS certificate says whose machine it is
   * @throws {AttestationError} 8 when neither certificate nor policy tells this machine from another tenant's
   */
  constructor(demands: PeerDemands, checksCertificate: boolean) {
    const { freshReport = false, maxAge = DEFAULT_MAX_AGE_MS, ...options } = demands;
    if (!checksCertificate && !namesMachine(demands)) {
      throw invalid(
        'every tenant can start the same kind of machine: check the TLS certificate (rejectUnauthorized), or name the ' +
          'machine in the policy (vmIds, or pcrs with 4 and 7)',
      );
    }
    // What a verifier would refuse at the first connection is an error of the caller now.
    checkEvidenceOptions('the attested channel', options);
    this.freshReport = freshReport;
    this.#maxAgeMs = maxAge;
    const { now, ...lasting } = structuredClone(options);
    this.#options = now === undefined ? lasting : { now, ...lasting };
    this.digest = digestOf({ freshReport, maxAge, checksCertificate, ...lasting });
  }

  /**
   * @throws {VerificationError} of the channel, or of the evidence with its checks
   */
  async verify(
    message: EvidenceMessage,
    facts: PeerFacts,
  ): Promise<{ attestation: ChannelAttestation; until: number }> {
    if (message.evidence === undefined) throw channelError('ERR_CHANNEL_NO_EVIDENCE');
    const began = performance.now();
    const { flags, batch } = message;
    const binding = channelBinding({ flags, ...facts });
    const userData = this.freshReport ? { userData: freshUserData(batch, facts.challenge) } : {};
    // Last what is of this exchange: no demand may take its place.
    const options = Object.assign({}, this.#options, userData, { nonce: binding });
    const given = evidenceOf(message.evidence);
    const evidence = await verifyProtocolEvidence(nodeContext, CHANNEL_CONTEXT, given, options);
    const attestation: ChannelAttestation = {
      role: facts.role,
      evidence,
      claims: evidence.claims,
      keyBornThere: (flags & 1) === 1,
      remembered: false,
      verifiedAt: new Date(),
    };
    return { attestation, until: began + this.#validFor(evidence) };
  }

  /** Milliseconds until the first of maximum age and the end of what the verification rested on. */
  #validFor(evidence: VerifiedEvidence): number {
    const now = (this.#options.now ?? new Date()).getTime();
    const ends = endsOf(evidence, this.#options.crls);
    return Math.min(this.#maxAgeMs, ...ends.map((end) => end - now));
  }
}

function evidenceOf(json: object) {
  try {
    return evidenceFromJson(json);
  } catch (cause) {
    throw channelError('ERR_CHANNEL_MESSAGE', 'the evidence is malformed', cause);
  }
}

function freshUserData(batch: readonly Uint8Array[] | undefined, challenge: Uint8Array): Uint8Array {
  const own = challengeDigest(challenge);
  if (batch === undefined || !batch.some((digest) => timingSafeEqual(digest, own))) {
    throw channelError('ERR_CHANNEL_BATCH');
  }
  return batchUserData(batch);
}

/** Whether the policy names what another tenant's machine cannot have. */
function namesMachine({ policy }: PeerDemands): boolean {
  if (policy === undefined) return false;
  if (Array.isArray(policy.vmIds) && policy.vmIds.length > 0) return true;
  const { pcrs } = policy;
  return pcrs !== undefined && BOOT_PCRS.every((index) => Object.hasOwn(pcrs, index));
}
