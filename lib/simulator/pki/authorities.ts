import type { Product } from '../../verify/types.js';
import { AmdAuthority } from './amd.js';
import { ProvisioningAuthority } from './provisioning-authority.js';
import { TokenSigner } from './token-signer.js';
import { VtpmAuthority } from './vtpm.js';

/** Everybody who signs something in a simulated CVM. */
export interface Authorities {
  /** Hardware: the root of the VCEK. */
  amd: AmdAuthority;
  /** Certifies attestation keys. */
  vtpm: VtpmAuthority;
  /** Signs secrets that are provisioned to a VM. */
  provisioning: ProvisioningAuthority;
  /** Signs the attestation service's tokens. */
  signer: TokenSigner;
}

const shared = new Map<string, Promise<Authorities>>();

/** The authorities of this name and product, the same for all simulated CVMs in a process. */
export function sharedAuthorities(product: Product, name = 'default'): Promise<Authorities> {
  const id = `${name}/${product}`;
  const known = shared.get(id);
  if (known) return known;
  const created = createAuthorities(product, name);
  shared.set(id, created);
  created.catch(() => shared.delete(id));
  return created;
}

async function createAuthorities(product: Product, name: string): Promise<Authorities> {
  const [amd, vtpm, provisioning, signer] = await Promise.all([
    AmdAuthority.create({ product, name }),
    VtpmAuthority.create(name),
    ProvisioningAuthority.create(name),
    TokenSigner.create(name),
  ]);
  return { amd, vtpm, provisioning, signer };
}
