import type { Product } from '../../abi/tcb.js';
import { AmdAuthority } from './amd.js';
import { IntelAuthority } from './intel.js';
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

const intelAuthorities = new Map<string, Promise<IntelAuthority>>();

/** The Intel-like authority of this name and organization, the same for all simulated TDX machines in a process. */
export function sharedIntelAuthority(name = 'default', organization?: string): Promise<IntelAuthority> {
  const id = JSON.stringify([name, organization]);
  const known = intelAuthorities.get(id);
  if (known) return known;
  const created = IntelAuthority.create({ organization });
  intelAuthorities.set(id, created);
  return created;
}

const shared = new Map<string, Promise<Authorities>>();

/** The authorities of this name and product, the same for all simulated CVMs in a process. */
export function sharedAuthorities(product: Product, name = 'default', organization?: string): Promise<Authorities> {
  const id = JSON.stringify([name, product, organization]);
  const known = shared.get(id);
  if (known) return known;
  const created = createAuthorities(product, name, organization);
  shared.set(id, created);
  created.catch(() => shared.delete(id));
  return created;
}

async function createAuthorities(
  product: Product,
  name: string,
  organization: string | undefined,
): Promise<Authorities> {
  const [amd, vtpm, provisioning, signer] = await Promise.all([
    AmdAuthority.create({ product, name, organization }),
    VtpmAuthority.create(name),
    ProvisioningAuthority.create(name),
    TokenSigner.create(name),
  ]);
  return { amd, vtpm, provisioning, signer };
}
