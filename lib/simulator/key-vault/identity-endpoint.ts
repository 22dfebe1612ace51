import { type Answer, jsonAnswer } from '../http/behaviour.js';
import type { ReceivedRequest } from '../http/loopback-server.js';
import type { SimulatedIdentities } from './identities.js';

/** Path of instance metadata where access tokens of managed identities are. */
export const IDENTITY_PATH = '/metadata/identity/oauth2/token';

const API_VERSIONS = ['2018-02-01', '2019-08-01'];

/** Answers a request for an access token as instance metadata does. */
export function answerIdentity({ url, method }: ReceivedRequest, identities: SimulatedIdentities): Answer {
  if (method !== 'GET') return refusal(405, 'invalid_request', 'Method not allowed');
  const query = url.searchParams;
  if (!API_VERSIONS.includes(query.get('api-version') ?? '')) {
    return refusal(400, 'invalid_request', 'Required query variable api-version is missing or not supported');
  }
  const resource = query.get('resource');
  if (!resource) return refusal(400, 'invalid_resource', 'Required query variable resource is missing');
  const [clientId, objectId, resourceId] = ['client_id', 'object_id', 'msi_res_id'].map((name) => query.get(name));
  const identity = identities.find({
    ...(clientId && { clientId }),
    ...(objectId && { objectId }),
    ...(resourceId && { resourceId }),
  });
  if (typeof identity === 'string') return refusal(400, 'invalid_request', identity);
  const { token, grant } = identities.issue(identity, resource);
  const seconds = Math.floor(grant.expires / 1000);
  return jsonAnswer(200, {
    access_token: token,
    client_id: identity.clientId,
    expires_in: String(identities.lifetimeSeconds - 1),
    expires_on: String(seconds),
    ext_expires_in: String(identities.lifetimeSeconds - 1),
    not_before: String(seconds - identities.lifetimeSeconds - 300),
    resource,
    token_type: 'Bearer',
  });
}

const refusal = (status: number, error: string, description: string): Answer =>
  jsonAnswer(status, { error, error_description: description });
