import { buildReleasePolicy } from '../../release/policy/build.js';
import type { CvmConfiguration } from '../options.js';
import type { Services } from '../services.js';
import { SimulatedKeyVault } from './simulated-key-vault.js';

/** A vault whose keys go to every compliant machine of this kind that this machine's attestation service vouches for. */
export async function startKeyVault(
  { vmType = 'snp', keyVault: options, authority, faults }: CvmConfiguration,
  { identities, attestation, tls }: Pick<Services, 'identities' | 'attestation' | 'tls'>,
): Promise<SimulatedKeyVault> {
  const machine =
    vmType === 'tvm'
      ? [{ authority: attestation.url, allOf: [{ claim: 'x-ms-attestation-type', equals: 'azurevm' }] }]
      : buildReleasePolicy({ authorities: [attestation.url], tee: vmType }).anyOf;
  const vault = await SimulatedKeyVault.start({
    ...options,
    identities,
    defaultPolicy: { version: '1.0.0', anyOf: machine },
    ...(authority !== undefined && { authority }),
    ...(tls && { trust: { ca: tls.ca.pem } }),
  });
  for (const name of faults?.keyVault ?? []) vault.fail(name, Number.POSITIVE_INFINITY);
  return vault;
}
