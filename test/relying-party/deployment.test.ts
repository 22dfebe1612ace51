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

  it('keeps token and proof from the service behind the proxy', () => {
    const envoy = parseAllDocuments(example('envoy.yaml'))[0]?.toJS();
    const [manager] = envoy.static_resources.listeners[0].filter_chains[0].filters;
    const [host] = manager.typed_config.route_config.virtual_hosts;
    expect(host.request_headers_to_remove).toEqual(['authorization', 'attestation-proof']);
    for (const header of ['Authorization', 'Attestation-Proof']) {
      expect(example('nginx.conf')).toContain(`proxy_set_header ${header} "";`);
    }
  });

  it('kubernetes.yaml asks for a core more than workers, and limits nobody by the address of the ingress', () => {
    const [deployment] = parseAllDocuments(example('kubernetes.yaml')).map((document) => document.toJS());
    const [{ args, resources }] = deployment.spec.template.spec.containers;
    const workers = (args as string[]).find((argument) => argument.startsWith('--workers='))?.split('=')[1];
    expect(Number(resources.requests.cpu)).toBe(Number(workers) + 1);
    expect(args).not.toContainEqual(expect.stringMatching(/^--rate/));
  });

  it('kubernetes.yaml has what the documentation says', () => {
    const kinds = parseAllDocuments(example('kubernetes.yaml')).map((document) => document.toJS()?.kind);
    expect(kinds).toEqual(['Deployment', 'Service', 'PodDisruptionBudget', 'NetworkPolicy']);
    expect(example('kubernetes.yaml')).toContain('Untried on a cluster');
  });
});
