import type { CertificateExtension } from './certificate.js';
import * as der from './der.js';

/** What a PCK certificate says of its platform (tdx.md 2.1). */
export interface PckFields {
  /** 6 bytes. */
  fmspc: Uint8Array;
  /** 2 bytes. */
  pceId: Uint8Array;
  /** 16 bytes. */
  ppid: Uint8Array;
  /** 16 SVNs of 0 to 255. */
  components: readonly number[];
  /** 0 to 65535. */
  pceSvn: number;
  /** 16 bytes. */
  cpuSvn: Uint8Array;
}

const arc = '1.2.840.113741.1.13.1';

/** SGX type: scalable with integrity, as every TDX platform is. */
const scalableWithIntegrity = 2;

/** The SGX extension: a sequence of identifiers and values. */
export function pckExtension({ fmspc, pceId, ppid, components, pceSvn, cpuSvn }: PckFields): CertificateExtension {
  const entry = (suffix: string, value: Uint8Array): Buffer =>
    der.sequence(der.objectIdentifier(`${arc}.${suffix}`), value);
  const tcb = [
    ...components.map((svn, index) => entry(`2.${index + 1}`, der.integer(svn))),
    entry('2.17', der.integer(pceSvn)),
    entry('2.18', der.octetString(cpuSvn)),
  ];
  const configuration = [1, 2, 3].map((number) => entry(`7.${number}`, der.boolean(true)));
  return {
    oid: arc,
    value: der.sequence(
      entry('1', der.octetString(ppid)),
      entry('2', der.sequence(...tcb)),
      entry('3', der.octetString(pceId)),
      entry('4', der.octetString(fmspc)),
      entry('5', der.enumerated(scalableWithIntegrity)),
      entry('6', der.octetString(Buffer.alloc(16, 0x6c))),
      entry('7', der.sequence(...configuration)),
    ),
  };
}
