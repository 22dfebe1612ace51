const text = { type: 'string' } as const;

const error = {
  type: 'object',
  required: ['error'],
  properties: { error: { type: 'object', required: ['code', 'message'], properties: { code: text, message: text } } },
} as const;

const answer = (description: string, schema: object): object => ({
  description,
  content: { 'application/json': { schema } },
});

const ear = {
  type: 'object',
  required: ['ear'],
  properties: { ear: { type: 'string', description: 'JWT, typ ear+jwt, signed by a key of /.well-known/jwks.json' } },
} as const;

/** Of every path; the server in front of the service may answer the first. */
const failures = {
  '429': answer('Too many requests of this client', error),
  '500': answer('The service failed', error),
};

const refusals = {
  '400': answer('The request is not what this document says', error),
  '401': answer('The challenge is not of this service, has expired or was used', error),
  '413': answer('The request is too large', error),
  '503': answer('Busy, closing, or the replay store cannot be asked: try again', error),
  ...failures,
};

const post = (
  summary: string,
  properties: object,
  required: readonly string[],
  good: object,
  others: object = {},
): object => ({
  post: {
    summary,
    requestBody: {
      required: true,
      content: {
        'application/json': { schema: { type: 'object', additionalProperties: false, required, properties } },
      },
    },
    responses: { '200': good, ...refusals, ...others },
  },
});

const get = (summary: string, good: object): object => ({ get: { summary, responses: { '200': good, ...failures } } });

/** The service's interface as OpenAPI 3.1. */
export function openApiDocument(issuer: string): object {
  const result = answer('A signed attestation result, whatever it says: read ear.status', ear);
  return {
    openapi: '3.1.0',
    info: { title: 'Verifier of confidential VMs', version: '1' },
    servers: [{ url: issuer }],
    paths: {
      '/v1/challenge': {
        post: {
          summary: 'A challenge: the 57 bytes that a guest has quoted under the context verifier-v1',
          responses: {
            '200': answer('76 characters of base64url', {
              type: 'object',
              required: ['challenge'],
              properties: { challenge: { type: 'string', pattern: '^[A-Za-z0-9_-]{76}$' } },
            }),
            ...failures,
          },
        },
      },
      '/v1/evidence': post(
        'Appraises evidence',
        {
          evidence: { type: 'object', description: 'As evidenceToJson writes it' },
          challenge: { ...text, description: 'Of /v1/challenge; the result carries it as nonce' },
          nonce: { ...text, description: 'Of a relying party: 1 to 64 bytes in base64url; with context' },
          context: { ...text, description: 'What the nonce is quoted under' },
          aud: { ...text, description: 'Who will take the result; may be left out where there is one' },
        },
        ['evidence'],
        result,
      ),
      '/v1/token': post(
        'Appraises a token of the attestation service; the result is a warning at best',
        { token: text, aud: text },
        ['token'],
        result,
        { '404': answer('The service takes no tokens', error) },
      ),
      '/.well-known/jwks.json': get(
        'The keys that sign results',
        answer('JSON Web Key Set', {
          type: 'object',
          required: ['keys'],
          properties: { keys: { type: 'array', items: { type: 'object' } } },
        }),
      ),
      '/openapi.json': get('This document', answer('OpenAPI 3.1', { type: 'object' })),
      '/healthz': get('Whether the process is alive', answer('It is', { type: 'object' })),
      '/readyz': {
        get: {
          summary: 'Whether it takes requests',
          responses: {
            '200': answer('It does', { type: 'object' }),
            '503': answer('It is closing, or none of its threads runs', error),
            ...failures,
          },
        },
      },
      '/metrics': get('Prometheus metrics', {
        description: 'Text format 0.0.4',
        content: { 'text/plain': { schema: text } },
      }),
    },
  };
}
