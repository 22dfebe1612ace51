import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { IDENTITY_HEADERS } from '../../lib/relying-party/index.js';

const example = (name: string): string =>
  readFileSync(new URL(`../../examples/deploy/${name}`, import.meta.url), 'utf8');

describe('the recipes for deployments', () => {
  it.each(['kubernetes.yaml', 'envoy.yaml'])('%s is YAML', (name) => {
    const documents = parseAllDocuments(example(name));
    expect(documents.length).toBeGreaterThan(0);
    for (const document of documents) expect('errors' in document ? document.errors : []).toEqual([]);
  });

  it.each(['nginx.conf', 'envoy.yaml'])(
    '%s takes every identity header from the answer, and none from the client',
    (name) => {
      const text = example(name).toLowerCase();
      for (const header of IDENTITY_HEADERS) {
        const count = text.split(header.toLowerCase()).length - 1;
        expect(count, header).toBeGreaterThanOrEqual(1);
        if (name === 'envoy.yaml') expect(text).toContain(`- remove: ${header.toLowerCase()}`);
        if (name === 'nginx.conf') expect(text).toContain(`proxy_set_header ${header.toLowerCase()} $`);
      }
    },
  );

  it('kubernetes.yaml has what the documentation says', () => {
    const kinds = parseAllDocuments(example('kubernetes.yaml')).map((document) => document.toJS()?.kind);
    expect(kinds).toEqual(['Deployment', 'Service', 'PodDisruptionBudget', 'NetworkPolicy']);
    expect(example('kubernetes.yaml')).toContain('Untried on a cluster');
  });
});
