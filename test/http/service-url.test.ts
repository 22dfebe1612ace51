import { describe, expect, it } from 'vitest';
import { isLoopback, parseServiceUrl } from '../../lib/http/service-url.js';

describe('the URL of a service', () => {
  it.each([
    ['https://sharedeus2.eus2.attest.azure.net', 'https://sharedeus2.eus2.attest.azure.net/'],
    ['  https://sharedeus2.eus2.attest.azure.net \n', 'https://sharedeus2.eus2.attest.azure.net/'],
    ['sharedeus2.eus2.attest.azure.net', 'https://sharedeus2.eus2.attest.azure.net/'],
    ['HTTPS://Attest.Example', 'https://attest.example/'],
    ['https://attest.example/attest/AzureGuest?api-version=2020-10-01#x', 'https://attest.example/'],
    ['https://attest.example:8443', 'https://attest.example:8443/'],
    ['attest.example:8443', 'https://attest.example:8443/'],
    ['10.0.0.4', 'https://10.0.0.4/'],
    ['https://[2001:db8::1]:8443', 'https://[2001:db8::1]:8443/'],
    ['2001:db8::1', 'https://[2001:db8::1]/'],
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080/'],
    ['http://localhost:8080', 'http://localhost:8080/'],
    ['http://[::1]:8080', 'http://[::1]:8080/'],
  ])('%j is %s', (value, expected) => {
    expect(parseServiceUrl(value).href).toBe(expected);
  });

  it.each<[unknown, number]>([
    [undefined, 8],
    ['', 8],
    [7, 8],
    ['http://attest.example', 8],
    ['http://127.attacker.example', 8],
    ['http://localhost.attacker.example', 8],
    ['https://user:secret@attest.example', 8],
    ['user@attest.example', 8],
    ['ftp://attest.example', 8],
    ['   ', 27],
    ['https://', 27],
    [' http:// ', 27],
    ['https://:443', 7],
    ['https://attest.example:99999', 7],
    ['not a url', 7],
    ['https://[::1', 7],
    ['https://attest.example\\@evil.example', 7],
  ])('%j is refused with %i', (value, code) => {
    expect(() => parseServiceUrl(value)).toThrow(expect.objectContaining({ code }));
  });

  it('may be plain http where the caller says so', () => {
    expect(parseServiceUrl('http://attest.example', { allowInsecureHttp: true }).href).toBe('http://attest.example/');
  });

  it('is on this machine only as a literal', () => {
    for (const host of ['localhost', '127.0.0.1', '127.255.0.9', '[::1]']) expect(isLoopback(host)).toBe(true);
    for (const host of ['127.0.0.1.example', 'localhost.example', '128.0.0.1', '[::2]'])
      expect(isLoopback(host)).toBe(false);
  });
});
