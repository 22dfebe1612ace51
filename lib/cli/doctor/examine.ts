import { examineAttestation } from './attestation.js';
import { examineDevice } from './device.js';
import type { DoctorEnvironment } from './environment.js';
import type { Finding } from './finding.js';
import { examineMachine } from './machine.js';
import { examineSecrets } from './secrets.js';
import { examineServices } from './services.js';
import { examineVtpm } from './vtpm.js';

/** Looks at everything, in the order in which one thing needs the other. What cannot be looked at is said, not left out. */
export async function examine(environment: DoctorEnvironment): Promise<Finding[]> {
  const services = examineServices(environment);
  const machine = await examineMachine(environment);
  const device = await examineDevice(environment);
  const vtpm = await examineVtpm(environment, device);
  const reachable = await services;
  const attestation = await examineAttestation(environment, vtpm.usable);
  const secrets = await examineSecrets(environment, vtpm.usable);
  return [...machine, ...device, ...vtpm.findings, ...reachable, ...attestation, ...secrets];
}
