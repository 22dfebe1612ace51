import type { KeyObject } from 'node:crypto';
import { algorithmIdentifier, type DistinguishedName, encodeName, signStructure } from './certificate.js';
import * as der from './der.js';

export interface RevocationListFields {
  issuer: DistinguishedName;
  signingKey: KeyObject;
  thisUpdate: Date;
  nextUpdate: Date;
  /** Serial numbers of the revoked certificates. */
  revoked: readonly (number | bigint)[];
}

/** A version 2 certificate revocation list as the AMD key service gives out, RSASSA-PSS with SHA-384. */
export function issueRevocationList(fields: RevocationListFields): Buffer {
  const entries = fields.revoked.map((serial) => der.sequence(der.integer(serial), der.time(fields.thisUpdate)));
  const tbs = der.sequence(
    der.integer(1),
    algorithmIdentifier('rsa-pss-sha384'),
    encodeName(fields.issuer),
    der.time(fields.thisUpdate),
    der.time(fields.nextUpdate),
    ...(entries.length > 0 ? [der.sequence(...entries)] : []),
  );
  return signStructure(tbs, 'rsa-pss-sha384', fields.signingKey);
}
