// What every runtime has to show: genuine evidence and tokens accepted, changed ones refused, with the vector that
// scripts/runtime-vector.mjs made. Plain JavaScript without imports, so that any tool can load it.

const decoder = {
  base64url: (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0)),
};

/**
 * @param api the exports of `cvm-guest-attestation` or of `cvm-guest-attestation/verify`
 * @param vector test/runtimes/vector.json
 * @returns {Promise<{ failures: string[], engine: string, checks: number }>}
 */
export async function checkRuntime(api, vector) {
  const failures = [];
  let checks = 0;
  const now = new Date(vector.now);
  const expect = async (what, work) => {
    checks++;
    try {
      const wrong = await work();
      if (wrong !== undefined) failures.push(`${what}: ${wrong}`);
    } catch (error) {
      failures.push(`${what}: ${error?.name} ${error?.code} ${error?.message}`);
    }
  };
  const refused = async (what, code, work) => {
    checks++;
    try {
      await work();
      failures.push(`${what}: accepted`);
    } catch (error) {
      if (error?.code !== code) failures.push(`${what}: ${error?.name} ${error?.code} ${error?.message}`);
    }
  };

  let engine = '';
  for (const machine of vector.machines) {
    const options = {
      now,
      nonce: decoder.base64url(machine.nonce),
      policy: machine.policy,
      trustedRoots: machine.trustedRoots,
    };
    const evidence = () => api.evidenceFromJson(machine.evidence);
    await expect(`${machine.tee} evidence`, async () => {
      const result = await api.verifyEvidence(evidence(), options);
      engine = result.engine;
      return result.tee === machine.tee ? undefined : `tee is ${result.tee}`;
    });
    const changed = evidence();
    changed.quote.signature = changed.quote.signature.map((byte, at) => (at === 9 ? byte ^ 1 : byte));
    await refused(`${machine.tee} evidence with another signature`, 'ERR_QUOTE_SIGNATURE', () =>
      api.verifyEvidence(changed, options),
    );
    await refused(`${machine.tee} evidence for another nonce`, 'ERR_QUOTE_NONCE', () =>
      api.verifyEvidence(evidence(), { ...options, nonce: new Uint8Array(32) }),
    );
    await expect(`${machine.tee} evidence from another maker`, async () => {
      const { trustedRoots: _, ...pinned } = options;
      const { ok } = await api.explainEvidence(evidence(), pinned);
      return ok ? 'accepted' : undefined;
    });

    const accept = { issuer: machine.issuer, keys: machine.keys, now, nonce: machine.tokenNonce, tee: machine.tee };
    await expect(`${machine.tee} token`, async () => {
      const claims = await api.verifyToken(machine.token, accept);
      return claims['x-ms-attestation-type'] === 'azurevm' ? undefined : 'no guest token';
    });
    await refused(`${machine.tee} token, changed`, 'ERR_TOKEN_SIGNATURE', () =>
      api.verifyToken(machine.token.replace(/.{8}$/, 'AAAAAAAA'), accept),
    );
    await refused(`${machine.tee} token, expired`, 'ERR_TOKEN_EXPIRED', () =>
      api.verifyToken(machine.token, { ...accept, now: new Date(now.getTime() + 24 * 3600 * 1000) }),
    );
    await expect(`${machine.tee} token's key`, async () => {
      const { jwk } = await api.tokenEncryptionKey(machine.token, accept);
      const jwe = await api.encryptJwe(jwk, new Uint8Array([1, 2, 3]));
      return jwe.split('.').length === 5 ? undefined : 'no compact JWE';
    });
  }
  await refused('an option with a slip', 8, () => api.verifyToken('a.b.c', { issuer: 'https://a.example', nonc: 'x' }));
  return { failures, engine, checks };
}
