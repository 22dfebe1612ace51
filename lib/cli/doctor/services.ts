import { nodeTransport } from '../../http/node-transport.js';
import type { HttpAnswer } from '../../http/transport.js';
import { CONFIDENTIAL_SIZES, type DoctorEnvironment, hardwareOfSize } from './environment.js';
import { type Finding, ok, problem, reason, skipped, warning } from './finding.js';

const IMDS = { id: 'imds', title: 'Instance metadata service' };
const SIZE = { id: 'vm-size', title: 'VM size' };
const THIM = { id: 'thim', title: 'VCEK certificates (THIM)' };
const SERVICE = { id: 'attestation-service', title: 'Attestation service' };
const SKEW = { id: 'clock-skew', title: 'Clock against the services' };

const LIMITS = { connectTimeoutMs: 2_000, timeoutMs: 5_000, maxBodyBytes: 1 << 20 };
const SKEW_WARNING_SECONDS = 60;

/** The services that attestation needs: each asked once, instance metadata never through a proxy, for a few seconds at most. */
export async function examineServices(environment: DoctorEnvironment): Promise<Finding[]> {
  const [instance, certification, service] = await Promise.all([
    askImds(environment, '/metadata/instance/compute?api-version=2021-02-01'),
    askImds(environment, '/metadata/THIM/amd/certification'),
    environment.attestationUrl === undefined
      ? undefined
      : ask(environment, `${environment.attestationUrl.replace(/\/+$/, '')}/.well-known/openid-configuration`),
  ]);
  return [
    imdsFinding(environment, instance),
    ...sizeFinding(instance),
    thimFinding(certification, instance),
    serviceFinding(environment, service),
    skewFinding([instance, certification, service]),
  ];
}

type Asked = HttpAnswer | Error;

function askImds(environment: DoctorEnvironment, path: string): Promise<Asked> {
  return ask({ ...environment, proxy: false }, `${environment.imdsUrl}${path}`, { Metadata: 'true' });
}

async function ask(
  { signal, proxy }: DoctorEnvironment,
  url: string,
  headers: Record<string, string> = {},
): Promise<Asked> {
  try {
    const transport = nodeTransport(proxy === undefined ? {} : { proxy });
    return await transport({ method: 'GET', url: new URL(url), headers }, LIMITS, signal);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function imdsFinding({ imdsUrl }: DoctorEnvironment, answer: Asked): Finding {
  const advice = {
    meaning:
      "The chip's certificates and the renewal of the AK certificate come from there. Its address exists inside Azure VMs only.",
    action:
      'Allow 169.254.169.254 in firewall and container network (it must not go through a proxy). Outside Azure use certificates from a file (--certs) or from AMD (--kds).',
  };
  if (answer instanceof Error) return problem(IMDS, `${imdsUrl}: ${answer.message}`, advice);
  if (answer.status === 200) return ok(IMDS, `${imdsUrl} answers`);
  return problem(IMDS, `${imdsUrl} answers with status ${answer.status}`, {
    ...advice,
    meaning: `Something answers there that is not Azure's metadata service, or refuses this machine. ${advice.meaning}`,
  });
}

function hardwareIn(instance: Asked): 'amd' | 'intel' | undefined {
  const body = instance instanceof Error || instance.status !== 200 ? undefined : jsonObject(instance.body);
  return typeof body?.vmSize === 'string' ? hardwareOfSize(body.vmSize) : undefined;
}

/** Only where the service tells: an Azure VM always learns its size. */
function sizeFinding(answer: Asked): Finding[] {
  const compute = answer instanceof Error || answer.status !== 200 ? undefined : jsonObject(answer.body);
  const size = compute?.vmSize;
  if (typeof size !== 'string') return [];
  const type = (compute?.securityProfile as Record<string, unknown> | undefined)?.securityType;
  if (type === 'ConfidentialVM' || hardwareOfSize(size) !== undefined) return [ok(SIZE, size)];
  return [
    problem(SIZE, `${size}${typeof type === 'string' && type !== '' ? `, security type ${type}` : ''}`, {
      meaning: 'This size does not run as a confidential VM.',
      action: `Create the VM with security type “Confidential VM” and one of the sizes ${CONFIDENTIAL_SIZES}.`,
    }),
  ];
}

function thimFinding(answer: Asked, instance: Asked): Finding {
  if (hardwareIn(instance) === 'intel') return skipped(THIM, 'an Intel host has none; its TD quote is in the evidence');
  if (answer instanceof Error && instance instanceof Error) return skipped(THIM, 'needs the metadata service');
  const body = answer instanceof Error || answer.status !== 200 ? undefined : jsonObject(answer.body);
  const complete = ['vcekCert', 'certificateChain'].every((name) => /BEGIN CERTIFICATE/.test(String(body?.[name])));
  if (complete) return ok(THIM, 'VCEK and chain delivered');
  const notFound = !(answer instanceof Error) && answer.status === 404;
  return problem(THIM, whyNoCertificates(answer), {
    meaning: notFound
      ? 'The metadata service has no AMD certificate for this host: no confidential VM, or one that was started moments ago.'
      : "Without the chip's certificate nobody can verify the hardware report.",
    action: 'Repeat in a minute. If it stays, fetch the certificate from AMD with --kds.',
  });
}

function whyNoCertificates(answer: Asked): string {
  if (answer instanceof Error) return answer.message;
  return answer.status === 200 ? 'the answer holds no certificates' : `status ${answer.status}`;
}

function serviceFinding({ attestationUrl }: DoctorEnvironment, answer: Asked | undefined): Finding {
  if (attestationUrl === undefined || answer === undefined) {
    return skipped(SERVICE, 'none given (--url https://sharedweu.weu.attest.azure.net, for instance)');
  }
  if (!(answer instanceof Error) && answer.status === 200) return ok(SERVICE, `${attestationUrl} answers`);
  return problem(
    SERVICE,
    `${attestationUrl}: ${answer instanceof Error ? reason(answer) : `status ${answer.status}`}`,
    {
      meaning: 'The attestation service cannot be reached at this address.',
      action: 'Check the URL (that of the provider, without a path), name resolution, and the firewall for HTTPS.',
    },
  );
}

/** Tokens and certificates are judged by the clock: compared with the `Date` of whoever answered. */
function skewFinding(answers: readonly (Asked | undefined)[]): Finding {
  const dates = answers
    .map((answer) =>
      answer === undefined || answer instanceof Error ? Number.NaN : Date.parse(answer.headers.date ?? ''),
    )
    .filter((time) => !Number.isNaN(time));
  const last = dates.at(-1);
  if (last === undefined) return skipped(SKEW, 'nobody told the time');
  const seconds = Math.round((Date.now() - last) / 1000);
  if (Math.abs(seconds) < SKEW_WARNING_SECONDS) return ok(SKEW, `${Math.abs(seconds)} s apart`);
  return warning(SKEW, `${Math.abs(seconds)} s ${seconds > 0 ? 'ahead' : 'behind'}`, {
    meaning: 'Fresh tokens can look as if they were issued in the future, or had expired.',
    action: 'Let the clock follow a time service: timedatectl set-ntp true.',
  });
}

function jsonObject(body: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
