import { randomBytes, randomUUID } from 'node:crypto';

/** A managed identity of a simulated machine. */
export interface SimulatedIdentity {
  clientId: string;
  objectId: string;
  /** Azure resource id; the system-assigned identity has none. */
  resourceId?: string;
}

/** What an access token is good for; the token itself is opaque. */
export interface AccessGrant {
  identity: SimulatedIdentity;
  resource: string;
  /** Milliseconds since 1970. */
  expires: number;
}

/** As Azure's: a day. */
const LIFETIME_SECONDS = 86_400;

/** The identities of one simulated machine, and the access tokens that were issued to them. */
export class SimulatedIdentities {
  /** In the order in which they were assigned. Add and remove as Azure's portal would. */
  readonly list: SimulatedIdentity[];
  /** Lifetime of the next access tokens. */
  lifetimeSeconds = LIFETIME_SECONDS;
  readonly #grants = new Map<string, AccessGrant>();

  constructor(kind: 'none' | 'one' | 'many' = 'one') {
    const [first, ...others] = ['database', 'backup'].map((name) => simulatedIdentity(name));
    this.list = kind === 'none' || first === undefined ? [] : kind === 'one' ? [first] : [first, ...others];
  }

  /** An opaque access token of an identity for a resource. */
  issue(identity: SimulatedIdentity, resource: string): { token: string; grant: AccessGrant } {
    const token = randomBytes(96).toString('base64url');
    const grant = { identity, resource, expires: Date.now() + this.lifetimeSeconds * 1000 };
    this.#grants.set(token, grant);
    return { token, grant };
  }

  /** What a token was issued for; undefined for one that was not, or has expired. */
  grantOf(token: string): AccessGrant | undefined {
    const grant = this.#grants.get(token);
    return grant !== undefined && grant.expires > Date.now() ? grant : undefined;
  }

  /** Identity that a request for a token names; a string is instance metadata's own refusal. */
  find(wanted: { clientId?: string; objectId?: string; resourceId?: string }): SimulatedIdentity | string {
    const named = Object.entries(wanted) as [keyof SimulatedIdentity, string][];
    if (named.length > 1) return 'Only one of client_id, object_id and msi_res_id may be given';
    const [choice] = named;
    if (choice !== undefined) {
      const [member, value] = choice;
      const found = this.list.find((identity) => identity[member]?.toLowerCase() === value.toLowerCase());
      return found ?? 'Identity not found';
    }
    const [only, ...more] = this.list;
    if (only === undefined) return 'Identity not found';
    if (more.length === 0) return only;
    return 'Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request';
  }
}

/** A user-assigned identity with ids of its own. */
export function simulatedIdentity(name: string): SimulatedIdentity {
  return {
    clientId: randomUUID(),
    objectId: randomUUID(),
    resourceId: `/subscriptions/${randomUUID()}/resourcegroups/simulated/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`,
  };
}
