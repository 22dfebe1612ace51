const base64 = (bytes) => Buffer.from(bytes).toString('base64');

/** DER of the first certificate in PEM text, base64. */
export const derOf = (pem) => (/-----BEGIN CERTIFICATE-----([^-]*)-----END/.exec(pem)?.[1] ?? '').replace(/\s/g, '');

/** A SEV-SNP report with its certificates, as the witnesses take it. */
export function snpRequest(report, { vcek, ask, ark }, { product, ownRoot, now = new Date() }) {
  const der = (certificate) => (typeof certificate === 'string' ? derOf(certificate) : base64(certificate));
  return {
    op: 'snp',
    now: now.toISOString(),
    product,
    ownRoot,
    report: base64(report),
    vcek: der(vcek),
    ask: der(ask),
    ark: der(ark),
  };
}

/**
 * A TD quote with its collateral, as the witnesses take it.
 *
 * @param {string | undefined} root PEM; Intel's own without
 */
export function tdxRequest(quote, collateral, { root, now = new Date() }) {
  const signature = (bytes) => Buffer.from(bytes ?? []).toString('hex');
  return {
    op: 'tdx',
    now: now.toISOString(),
    nowSeconds: Math.floor(now.getTime() / 1000),
    quote: base64(quote),
    root: root ?? '',
    rootDer: root === undefined ? '' : derOf(root),
    collateral: collateral && {
      tcbInfo: `{"tcbInfo":${collateral.tcbInfo},"signature":"${signature(collateral.tcbInfoSignature)}"}`,
      tcbInfoText: collateral.tcbInfo,
      tcbInfoSignature: base64(collateral.tcbInfoSignature),
      tcbInfoChain: encodeURIComponent(collateral.tcbInfoIssuerChain),
      qeIdentity: `{"enclaveIdentity":${collateral.qeIdentity},"signature":"${signature(collateral.qeIdentitySignature)}"}`,
      qeIdentityText: collateral.qeIdentity,
      qeIdentitySignature: base64(collateral.qeIdentitySignature),
      qeIdentityChain: encodeURIComponent(collateral.qeIdentityIssuerChain),
      pckCrl: base64(collateral.pckCrl),
      pckCrlChain: encodeURIComponent(collateral.pckCrlIssuerChain ?? ''),
      rootCrl: base64(collateral.rootCaCrl),
    },
  };
}

/** The same for programs that take issuer chains as PEM. */
export function withPlainChains(request) {
  const { collateral } = request;
  const plain = ['tcbInfoChain', 'qeIdentityChain', 'pckCrlChain'].map((name) => [
    name,
    decodeURIComponent(collateral[name]),
  ]);
  return { ...request, collateral: { ...collateral, ...Object.fromEntries(plain) } };
}

/** @throws {Error} where a witness did not say what was expected */
export function expectVerdict(answer, ok, what) {
  if (answer.ok !== ok) throw new Error(`${what}: ${answer.ok ? 'accepted' : `refused, ${answer.error}`}`);
}
