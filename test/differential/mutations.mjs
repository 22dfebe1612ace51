/** How inputs are changed: each takes an input and gives another one of the same shape. */

const flip = (bytes, at, bit) => {
  const copy = Buffer.from(bytes);
  copy[at] ^= 1 << bit;
  return copy;
};

const within = (start, end) => (name) => (input, random) => ({
  ...input,
  [name]: flip(input[name], start + random.below(end - start), random.below(8)),
});

const anywhere = (name) => (input, random) => ({
  ...input,
  [name]: flip(input[name], random.below(input[name].length), random.below(8)),
});

const another = (name) => (input, random, others) => ({ ...input, [name]: random.pick(others)[name] });

/** Of a SEV-SNP report of 1184 bytes with vcek, ask and ark, DER. */
export const snpMutations = {
  none: (input) => input,
  'report: a signed bit': within(0, 0x2a0)('report'),
  'report: a bit of R or S': (input, random) => {
    const start = random.pick([0x2a0, 0x2e8]);
    return { ...input, report: flip(input.report, start + random.below(48), random.below(8)) };
  },
  'report: a bit above R or S': (input, random) => {
    const start = random.pick([0x2a0 + 48, 0x2e8 + 48]);
    return { ...input, report: flip(input.report, start + random.below(24), random.below(8)) };
  },
  'report: a bit behind the signature': within(0x330, 1184)('report'),
  'report: another length': (input, random) => ({
    ...input,
    report: random.below(2)
      ? input.report.subarray(0, random.below(1184))
      : Buffer.concat([input.report, Buffer.alloc(1 + random.below(64), random.below(256))]),
  }),
  'report: the version': (input, random) => {
    const report = Buffer.from(input.report);
    report.writeUInt32LE(random.pick([0, 1, 2, 3, 4, 5, 6, 0xffffffff]), 0);
    return { ...input, report };
  },
  'report: the signature of another': (input, random, others) => {
    const other = random.pick(others).report;
    return { ...input, report: Buffer.concat([input.report.subarray(0, 0x2a0), other.subarray(0x2a0)]) };
  },
  'report: R or S zero': (input, random) => {
    const report = Buffer.from(input.report);
    const start = random.pick([0x2a0, 0x2e8]);
    report.fill(0, start, start + 72);
    return { ...input, report };
  },
  'vcek: a bit': anywhere('vcek'),
  'ask: a bit': anywhere('ask'),
  'vcek: of another': another('vcek'),
  'ask: of another': another('ask'),
  'ask in place of the vcek': (input) => ({ ...input, vcek: input.ask }),
};

/** Of a TD quote with its collateral. */
export const tdxMutations = {
  none: (input) => input,
  'quote: header': within(0, 48)('quote'),
  'quote: a signed bit of the body': within(48, 632)('quote'),
  'quote: signature and key': within(636, 636 + 128)('quote'),
  'quote: report of the quoting enclave': within(770, 770 + 384)('quote'),
  'quote: signature of the quoting enclave': within(1154, 1154 + 64)('quote'),
  'quote: a bit of the certificates': (input, random) => ({
    ...input,
    quote: flip(input.quote, 1300 + random.below(3000), random.below(8)),
  }),
  'quote: lengths': (input, random) => ({
    ...input,
    quote: flip(input.quote, random.pick([632, 633, 634, 635, 764, 765, 766, 767, 768, 769]), random.below(8)),
  }),
  'quote: cut off': (input, random) => ({ ...input, quote: input.quote.subarray(0, random.below(4600)) }),
  'quote: padding': (input, random) => ({
    ...input,
    quote: flip(input.quote, input.quote.length - 1 - random.below(8), 0),
  }),
  'TCB info: a byte': (input, random) => changeText(input, random, 'tcbInfo'),
  'QE identity: a byte': (input, random) => changeText(input, random, 'qeIdentity'),
  'TCB info: a bit of the signature': (input, random) => changeBytes(input, random, 'tcbInfoSignature'),
  'QE identity: a bit of the signature': (input, random) => changeBytes(input, random, 'qeIdentitySignature'),
  'PCK list: a bit': (input, random) => changeBytes(input, random, 'pckCrl'),
  'root list: a bit': (input, random) => changeBytes(input, random, 'rootCaCrl'),
  'collateral: of another': (input, random, others) => ({ ...input, collateral: random.pick(others).collateral }),
  'clock: years later': (input) => ({ ...input, now: new Date(Date.now() + 3 * 365 * 86_400_000) }),
  'clock: years earlier': (input) => ({ ...input, now: new Date(Date.now() - 5 * 365 * 86_400_000) }),
};

function changeText(input, random, name) {
  const text = Buffer.from(input.collateral[name]);
  text[random.below(text.length)] = 0x20 + random.below(0x5f);
  return { ...input, collateral: { ...input.collateral, [name]: text.toString('latin1') } };
}

function changeBytes(input, random, name) {
  const bytes = input.collateral[name];
  const changed = flip(bytes, random.below(bytes.length), random.below(8));
  return { ...input, collateral: { ...input.collateral, [name]: new Uint8Array(changed) } };
}
