import { GUEST_SECRET_KEY, secretsProvisioned } from '../../guest/unprotect-secret.js';
import { imdsOf } from '../../imds/imds.js';
import { ManagedIdentityCredential } from '../../imds/managed-identity.js';
import { nodeContext } from '../../node/context.js';
import { audienceOfHost } from '../../release/vault-host.js';
import { NativeTpm } from '../../tpm/native-tpm.js';
import type { DoctorEnvironment } from './environment.js';
import { type Finding, ok, reason, skipped, warning } from './finding.js';

const IDENTITY = { id: 'managed-identity', title: 'Managed identity' };
const AUDIENCE = { id: 'vault-audience', title: 'Audience of the key vault' };
const SECRETS = { id: 'provisioned-secrets', title: 'Key for provisioned secrets' };

/** Long enough for a metadata service that answers, and no longer. */
const METADATA = { timeoutMs: 5_000, connectTimeoutMs: 2_000, retry: { retries: 0 } };

/** What keys and secrets at start need besides attestation. Nothing here is a problem: attestation works without. */
export async function examineSecrets(environment: DoctorEnvironment, tpmUsable: boolean): Promise<Finding[]> {
  const [identity, secrets] = await Promise.all([
    identityFinding(environment),
    tpmUsable ? secretsFinding(environment) : skipped(SECRETS, 'the vTPM cannot be used'),
  ]);
  return [identity, audienceFinding(environment), secrets];
}

async function identityFinding({ imdsUrl, vaultUrl, signal }: DoctorEnvironment): Promise<Finding> {
  const host = vaultUrl !== undefined && URL.canParse(vaultUrl) ? new URL(vaultUrl).hostname : 'any.vault.azure.net';
  const { scope = 'https://vault.azure.net/.default' } = audienceOfHost(host) ?? {};
  try {
    const credential = new ManagedIdentityCredential(imdsOf(nodeContext, { ...METADATA, imdsUrl }));
    const { expiresOnTimestamp } = await credential.getToken(scope, { abortSignal: signal });
    const minutes = Math.round((expiresOnTimestamp - Date.now()) / 60_000);
    return ok(IDENTITY, `gives access tokens for ${scope.replace(/\/\.default$/, '')}, for ${minutes} minutes`);
  } catch (error) {
    return warning(IDENTITY, reason(error), {
      meaning: 'Key vaults release keys to an identity. Attestation needs none.',
      action:
        'Assign an identity to the VM (az vm identity assign), name one of several with --identity, or give the library a credential.',
    });
  }
}

function audienceFinding({ vaultUrl }: DoctorEnvironment): Finding {
  if (vaultUrl === undefined) return skipped(AUDIENCE, 'no vault was named (--vault-url)');
  const audience = URL.canParse(vaultUrl) ? audienceOfHost(new URL(vaultUrl).hostname) : undefined;
  if (audience !== undefined) return ok(AUDIENCE, `${vaultUrl} takes access tokens for ${audience.resource}`);
  return warning(AUDIENCE, `${vaultUrl} is not a vault of Azure`, {
    meaning: 'An access token is not sent to it unless that is said.',
    action: 'Check the address, or name the host with --vault-host (allowedHosts in the library).',
  });
}

async function secretsFinding({ tcti, signal }: DoctorEnvironment): Promise<Finding> {
  const tpm = new NativeTpm({ tcti });
  try {
    const handle = `0x${GUEST_SECRET_KEY.toString(16)}`;
    if (await secretsProvisioned(tpm, signal)) return ok(SECRETS, `present at ${handle}`);
    return skipped(SECRETS, `there is no key at ${handle}: nothing is provisioned to this VM`);
  } catch (error) {
    return skipped(SECRETS, reason(error));
  } finally {
    await tpm.close();
  }
}
