import { readFile } from 'node:fs/promises';
import { native } from '../../native.js';
import { type DoctorEnvironment, pathOf } from './environment.js';
import { type Finding, ok, problem, reason, warning } from './finding.js';

const PLATFORM = { id: 'platform', title: 'Node.js and addon' };
const VM = { id: 'vm', title: 'Virtual machine' };
const SECURE_BOOT = { id: 'secure-boot', title: 'Secure boot (firmware)' };
const CLOCK = { id: 'clock', title: 'Clock' };

/** Asset tag that Azure gives every virtual machine. */
const AZURE_ASSET_TAG = '7783-7084-3265-9085-8269-3286-77';
/** This package is younger than any clock that runs before. */
const EARLIEST_TIME = Date.UTC(2026, 0, 1);

/** What can be said without the TPM or the network. */
export async function examineMachine(environment: DoctorEnvironment): Promise<Finding[]> {
  return [examineAddon(), await examineVm(environment), examineClock(), await examineFirmware(environment)];
}

function examineAddon(): Finding {
  const node = `Node ${process.versions.node} on ${process.platform}-${process.arch}`;
  if (!isSupportedNode(process.versions.node)) {
    return problem(PLATFORM, `${node} is not supported`, {
      meaning: `This package is made for and tested with Node ${SUPPORTED_NODE}.`,
      action: 'Install a current LTS release of Node: https://nodejs.org/en/download.',
    });
  }
  try {
    return ok(PLATFORM, `${node}, addon with OpenSSL ${native().opensslVersion.replace(/^OpenSSL /, '')}`);
  } catch (error) {
    return problem(PLATFORM, `${node}: ${reason(error)}`, {
      meaning: 'Without the addon neither the TPM nor reports can be read.',
      action:
        'Install the package on Linux on x64 or arm64 with glibc, or build the addon: npm run setup in a source checkout.',
    });
  }
}

/** `engines` of package.json, in words. */
const SUPPORTED_NODE = '20.19 or later, or 22.12 or later';

/** As `engines` of package.json has it: ^20.19.0 || >=22.12.0. */
export function isSupportedNode(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22;
}

async function examineVm(environment: DoctorEnvironment): Promise<Finding> {
  const read = async (name: string): Promise<string> =>
    (await readFile(pathOf(environment, 'sys', 'class', 'dmi', 'id', name), 'utf8').catch(() => '')).trim();
  const [vendor, product, tag] = await Promise.all([
    read('sys_vendor'),
    read('product_name'),
    read('chassis_asset_tag'),
  ]);
  if (tag === AZURE_ASSET_TAG) return ok(VM, 'on Azure');
  const name = [vendor, product].filter((part) => part !== '').join(' ') || 'unknown';
  return warning(VM, `not on Azure (${name})`, {
    meaning: "The vTPM layout and the metadata service that attestation needs are Azure's.",
    action: "Run this on the VM; on a developer's machine take a simulated one: cvm-attest simulate.",
  });
}

function examineClock(): Finding {
  const now = new Date();
  if (now.getTime() >= EARLIEST_TIME) return ok(CLOCK, `${now.toISOString().slice(0, 19)}Z`);
  return problem(CLOCK, `${now.toISOString().slice(0, 19)}Z is in the past`, {
    meaning: 'Certificates and tokens will look as if they were not valid yet.',
    action: 'Set the clock: timedatectl set-ntp true.',
  });
}

async function examineFirmware(environment: DoctorEnvironment): Promise<Finding> {
  const path = pathOf(environment, 'sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c');
  const bytes = await readFile(path).catch(() => undefined);
  if (bytes === undefined) {
    return { ...SECURE_BOOT, status: 'skipped', found: 'the firmware shows no SecureBoot variable here' };
  }
  // Four bytes of attributes, then the value.
  if (bytes[4] === 1) return ok(SECURE_BOOT, 'on');
  return warning(SECURE_BOOT, 'off', {
    meaning: 'Attestation works, but a policy that demands secure boot refuses this machine.',
    action: "Switch it on in the VM's security settings (it needs a signed boot loader and kernel).",
  });
}
