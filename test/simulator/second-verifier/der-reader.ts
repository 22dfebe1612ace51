import { malformed } from '../../../lib/simulator/service/refusal.js';

/** One DER element; its content is a view into the certificate. */
export interface DerElement {
  tag: number;
  content: Buffer;
}

/** The elements that follow each other in `bytes`. Lengths of up to two bytes, as certificates have. */
export function readDer(bytes: Buffer, what: string): DerElement[] {
  const elements: DerElement[] = [];
  let offset = 0;
  const take = (length: number): Buffer => {
    if (offset + length > bytes.length) throw malformed(`${what} is not DER`);
    const taken = bytes.subarray(offset, offset + length);
    offset += length;
    return taken;
  };
  while (offset < bytes.length) {
    const [tag, first] = [take(1).readUInt8(), take(1).readUInt8()];
    let length = first;
    if (first === 0x81) length = take(1).readUInt8();
    else if (first === 0x82) length = take(2).readUInt16BE();
    else if (first > 0x80) throw malformed(`${what} is not DER`);
    elements.push({ tag, content: take(length) });
  }
  return elements;
}

/** Dotted form of an OBJECT IDENTIFIER's content. */
export function readObjectIdentifier(content: Buffer): string {
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of content) {
    arc = arc * 128 + (byte & 0x7f);
    if (byte & 0x80) continue;
    if (arcs.length === 0) arcs.push(Math.min(Math.floor(arc / 40), 2), arc - 40 * Math.min(Math.floor(arc / 40), 2));
    else arcs.push(arc);
    arc = 0;
  }
  return arcs.join('.');
}

/** extnValue contents of a certificate's extensions by OID. */
export function readExtensions(certificate: Buffer, what: string): Map<string, Buffer> {
  const children = (element: DerElement | undefined): DerElement[] =>
    readDer(element?.content ?? Buffer.alloc(0), what);
  const [outer] = readDer(certificate, what);
  const [tbs] = children(outer);
  const wrapper = children(tbs).find(({ tag }) => tag === 0xa3);
  const extensions = new Map<string, Buffer>();
  for (const entry of children(children(wrapper)[0])) {
    const parts = children(entry);
    const [id, value] = [parts[0], parts.at(-1)];
    if (id?.tag !== 0x06 || value?.tag !== 0x04) throw malformed(`${what} has a malformed extension`);
    const oid = readObjectIdentifier(id.content);
    if (extensions.has(oid)) throw malformed(`${what} has the extension ${oid} twice`);
    extensions.set(oid, value.content);
  }
  return extensions;
}
