import { describe, expect, it } from 'vitest';
import { AttestationError, ErrorCode } from '../../lib/index.js';

describe('error codes', () => {
  it('are the documented 27 and the newer 28–32, without a gap', () => {
    expect(Object.values(ErrorCode).sort((a, b) => a - b)).toEqual(Array.from({ length: 32 }, (_, i) => i + 1));
    expect(ErrorCode.INVALID_INPUT_PARAMETER).toBe(8);
    expect(ErrorCode.PARSING_DNS_INFO).toBe(27);
  });

  it('an error carries code, name, documented sentence and the TPM code', () => {
    const error = new AttestationError(ErrorCode.TPM_OPERATION_FAILURE, 'NV_Read failed', { tpmErrorCode: 0x18b });
    expect(error).toMatchObject({
      name: 'AttestationError',
      code: 13,
      codeName: 'TPM_OPERATION_FAILURE',
      description: 'TPM operation failed.',
      tpmErrorCode: 0x18b,
    });
    expect(error).toBeInstanceOf(Error);
  });
});
