import { constants } from 'node:fs';
import { access, readdir, readFile, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { type DoctorEnvironment, pathOf } from './environment.js';
import { type Finding, ok, problem, reason, skipped, warning } from './finding.js';

const DEVICE = { id: 'tpm-device', title: 'TPM device' };
const MANAGER = { id: 'resource-manager', title: 'TPM resource manager' };

/** The TPM as the kernel shows it: there, permitted, and shared with other processes. */
export async function examineDevice(environment: DoctorEnvironment): Promise<Finding[]> {
  const { tcti } = environment;
  const path = /^device:(.*)$/.exec(tcti)?.[1];
  if (path === undefined) {
    const socket = /^swtpm:(?:.*,)?path=([^,]+)/.exec(tcti)?.[1];
    return [
      socket === undefined ? ok(DEVICE, `${tcti} (no device file)`) : await examineSocket(socket, tcti),
      managerOf(tcti),
    ];
  }
  return [await examineFile(environment, path), managerOf(tcti)];
}

/** Which program shares the TPM out, as far as the TCTI tells. */
function managerOf(tcti: string): Finding {
  if (/tpmrm/.test(tcti)) return ok(MANAGER, "the kernel's");
  if (/tabrmd/.test(tcti)) return ok(MANAGER, 'tpm2-abrmd');
  if (!tcti.startsWith('device:')) return skipped(MANAGER, 'a TPM simulator serves one client at a time');
  return warning(MANAGER, `none: ${tcti} is the TPM itself`, {
    meaning: 'One process has the TPM for itself, and every other one gets “device or resource busy”.',
    action: 'Use device:/dev/tpmrm0, which the kernel shares out.',
  });
}

async function examineFile(environment: DoctorEnvironment, path: string): Promise<Finding> {
  try {
    await access(path, constants.R_OK | constants.W_OK);
    return ok(DEVICE, `${path}, readable and writable`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM') return notPermitted(environment, path);
    return absent(environment, path, reason(error));
  }
}

async function absent(environment: DoctorEnvironment, path: string, found: string): Promise<Finding> {
  const devices = (await readdir(pathOf(environment, 'dev')).catch((): string[] => [])).filter((name) =>
    /^tpm(rm)?\d+$/.test(name),
  );
  if (devices.length > 0) {
    return problem(DEVICE, `there is no ${path}, but /dev has ${devices.join(', ')}`, {
      meaning: 'The TPM has another name, or the kernel is older than 4.12 and offers no resource manager.',
      action: `Give the device with --tcti device:/dev/${devices.find((name) => name.startsWith('tpmrm')) ?? devices[0]}.`,
    });
  }
  return problem(DEVICE, `there is no ${path} (${found.split(':')[0]})`, {
    meaning:
      'This machine shows no TPM: it is not a virtual machine with a vTPM, or a container into which the device was not passed.',
    action:
      'Create the VM on Azure with security type “Confidential VM” (vTPM on). In a container add --device /dev/tpmrm0. ' +
      'To try without one: cvm-attest demo, or cvm-attest simulate.',
  });
}

async function notPermitted(environment: DoctorEnvironment, path: string): Promise<Finding> {
  const { mode, gid } = await stat(path);
  const group = await groupName(environment, gid);
  const user = userInfo().username;
  const forGroup = gid !== 0 && (mode & 0o060) === 0o060;
  return problem(DEVICE, `${path} may not be opened by ${user}`, {
    meaning: forGroup
      ? `Members of the group ${group} may open it; ${user} is not one of them.`
      : 'Only root may open it.',
    action: forGroup
      ? `Run sudo usermod -aG ${group} ${user} and log in again, or run this command with sudo.`
      : 'Install the package tpm-udev, which gives the device to the group tss, add the user to that group, and restart; or run this command with sudo.',
  });
}

async function groupName(environment: DoctorEnvironment, gid: number): Promise<string> {
  const groups = await readFile(pathOf(environment, 'etc', 'group'), 'utf8').catch(() => '');
  const entry = groups.split('\n').find((line) => line.split(':')[2] === String(gid));
  return entry?.split(':')[0] ?? `with id ${gid}`;
}

async function examineSocket(path: string, tcti: string): Promise<Finding> {
  try {
    await access(path, constants.R_OK | constants.W_OK);
    return ok(DEVICE, `${tcti}, a software TPM`);
  } catch (error) {
    return problem(DEVICE, `${path}: ${(error as NodeJS.ErrnoException).code ?? reason(error)}`, {
      meaning: 'The software TPM that TSS2_TCTI or --tcti names does not run, or belongs to another user.',
      action: "Start it (cvm-attest simulate), or unset TSS2_TCTI to use the machine's own TPM.",
    });
  }
}
