import { describe, expect, it } from 'vitest';
import { audienceOfHost, locateKey } from '../../lib/release/vault-host.js';

const VERSION = '0123456789abcdef0123456789abcdef';

describe('the audience of a vault', () => {
  const audiences: [host: string, resource: string][] = [
    ['contoso.vault.azure.net', 'https://vault.azure.net'],
    ['CONTOSO.Vault.Azure.Net', 'https://vault.azure.net'],
    ['contoso.managedhsm.azure.net', 'https://managedhsm.azure.net'],
    ['region.contoso.managedhsm.azure.net', 'https://managedhsm.azure.net'],
    ['contoso.vault.azure.cn', 'https://vault.azure.cn'],
    ['contoso.managedhsm.usgovcloudapi.net', 'https://managedhsm.usgovcloudapi.net'],
  ];
  it.each(audiences)('audienceOfHost knows that %s takes tokens for %s', (host, resource) => {
    expect(audienceOfHost(host)).toEqual({ resource, scope: `${resource}/.default` });
  });

  const strangers = [
    'vault.azure.net.evil.example',
    'contoso.vault.azure.net.evil.example',
    'evilvault.azure.net',
    'contoso-vault.azure.net',
    'vault.azure.net',
    '.vault.azure.net',
    'contoso.vault.azure.net.',
    'contoso..vault.azure.net',
    'contoso.vault.azure.com',
    'contoso.vaultcore.azure.net',
    'localhost',
    '127.0.0.1',
    '',
  ];
  it.each(strangers)('audienceOfHost knows no audience for %j', (host) => {
    expect(audienceOfHost(host)).toBeUndefined();
  });
});

describe('where a key is', () => {
  it('locateKey takes a key id apart', () => {
    expect(locateKey({ keyId: `https://contoso.vault.azure.net/keys/my-key/${VERSION}` })).toEqual({
      origin: 'https://contoso.vault.azure.net',
      host: 'contoso.vault.azure.net',
      keyName: 'my-key',
      keyVersion: VERSION,
      audience: { resource: 'https://vault.azure.net', scope: 'https://vault.azure.net/.default' },
    });
  });

  it('locateKey takes vault, name and version apart as well as in one', () => {
    const apart = locateKey({ vaultUrl: 'https://contoso.vault.azure.net/', keyName: 'k', keyVersion: VERSION });
    expect(apart).toEqual(locateKey({ keyId: `https://contoso.vault.azure.net/keys/k/${VERSION}` }));
    expect(locateKey({ vaultUrl: 'https://contoso.vault.azure.net', keyName: 'k' })).not.toHaveProperty('keyVersion');
  });

  const refused: [what: string, location: object][] = [
    ['a look-alike host', { keyId: 'https://vault.azure.net.evil.example/keys/k' }],
    ['the name of a vault in the query', { keyId: 'https://evil.example/keys/k?vault.azure.net' }],
    ['the name of a vault as user information', { keyId: 'https://contoso.vault.azure.net@evil.example/keys/k' }],
    ['the name of a vault behind a backslash', { keyId: 'https://evil.example\\.vault.azure.net/keys/k' }],
    ['another port of a vault', { keyId: 'https://contoso.vault.azure.net:8443/keys/k' }],
    ['plain http', { keyId: 'http://contoso.vault.azure.net/keys/k' }],
    ['plain http on this machine', { keyId: 'http://localhost/keys/k', allowedHosts: ['localhost'] }],
    ['a secret in place of a key', { keyId: 'https://contoso.vault.azure.net/secrets/k' }],
    ['a path that goes on', { keyId: `https://contoso.vault.azure.net/keys/k/${VERSION}/release` }],
    ['a name with a slash in it', { vaultUrl: 'https://contoso.vault.azure.net', keyName: 'k/../x' }],
    ['a name with an escape', { keyId: 'https://contoso.vault.azure.net/keys/k%2F' }],
    ['a version with dots', { vaultUrl: 'https://contoso.vault.azure.net', keyName: 'k', keyVersion: '..' }],
    ['a vault with a path', { vaultUrl: 'https://contoso.vault.azure.net/keys', keyName: 'k' }],
    ['a vault without a name', { vaultUrl: 'https://contoso.vault.azure.net' }],
    ['id and name at once', { keyId: 'https://contoso.vault.azure.net/keys/k', keyName: 'k' }],
    ['nothing', {}],
    ['a port that is not allowed', { keyId: 'https://localhost:1/keys/k', allowedHosts: ['localhost:2'] }],
    ['a scope with a line break', { keyId: 'https://a.example/keys/k', scope: 'a\r\nb' }],
  ];
  it.each(refused)('locateKey refuses %s with error 8', (_, location) => {
    expect(() => locateKey(location)).toThrow(expect.objectContaining({ code: 8 }));
  });

  it('locateKey asks for a token of the host itself when only allowedHosts names it', () => {
    const { audience } = locateKey({ keyId: 'https://localhost:8443/keys/k', allowedHosts: ['localhost:8443'] });
    expect(audience).toEqual({ resource: 'https://localhost:8443', scope: 'https://localhost:8443/.default' });
  });

  it('locateKey goes by an explicit scope', () => {
    const { audience } = locateKey({ keyId: 'https://kms.example/keys/k', scope: 'api://kms/.default' });
    expect(audience).toEqual({ resource: 'api://kms', scope: 'api://kms/.default' });
  });
});
