import { encodeBase64url } from '../base/base64url.js';
import type { JsonMembers } from './json-members.js';
import type { TdxCollateral } from './tdx-collateral.js';

/** Collateral as a member of evidence in JSON: texts stay texts, bytes are base64url. */
export function collateralMembers(collateral: TdxCollateral): object {
  const { tcbInfoSignature, qeIdentitySignature } = collateral;
  return {
    tcbInfo: collateral.tcbInfo,
    tcbInfoSignature: tcbInfoSignature && encodeBase64url(tcbInfoSignature),
    tcbInfoIssuerChain: collateral.tcbInfoIssuerChain,
    qeIdentity: collateral.qeIdentity,
    qeIdentitySignature: qeIdentitySignature && encodeBase64url(qeIdentitySignature),
    qeIdentityIssuerChain: collateral.qeIdentityIssuerChain,
    pckCrl: encodeBase64url(collateral.pckCrl),
    pckCrlIssuerChain: collateral.pckCrlIssuerChain,
    rootCaCrl: encodeBase64url(collateral.rootCaCrl),
    pckCertificateChain: collateral.pckCertificateChain,
  };
}

/** @throws {AttestationError} 20 for a member that is missing, of another type or unknown. */
export function readCollateral(members: JsonMembers): TdxCollateral {
  const collateral: TdxCollateral = {
    tcbInfo: members.text('tcbInfo'),
    tcbInfoIssuerChain: members.text('tcbInfoIssuerChain'),
    qeIdentity: members.text('qeIdentity'),
    qeIdentityIssuerChain: members.text('qeIdentityIssuerChain'),
    pckCrl: members.base64url('pckCrl'),
    rootCaCrl: members.base64url('rootCaCrl'),
  };
  for (const name of ['tcbInfoSignature', 'qeIdentitySignature'] as const) {
    if (members.has(name)) collateral[name] = members.base64url(name);
  }
  for (const name of ['pckCrlIssuerChain', 'pckCertificateChain'] as const) {
    if (members.has(name)) collateral[name] = members.text(name);
  }
  members.finish();
  return collateral;
}
