/** A refusal of the attestation service: HTTP 400 with a CloudError that says why. */
export class ServiceRefusal extends Error {
  override readonly name = 'ServiceRefusal';
  /** Programmatic identifier, as in the service's CloudError. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** The request does not have the form that the service wants. */
export const malformed = (message: string): ServiceRefusal => new ServiceRefusal('InvalidParameter', message);

/** The request is well formed, and the evidence in it does not hold. */
export const untrusted = (message: string): ServiceRefusal => new ServiceRefusal('AttestationFailed', message);
