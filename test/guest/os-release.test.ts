import { describe, expect, it } from 'vitest';
import { parseOsRelease, readOsInfo } from '../../lib/guest/os-release.js';

const version = (id: string) => {
  const { versionMajor, versionMinor } = parseOsRelease(`NAME=x\nVERSION_ID=${id}\n`);
  return [versionMajor, versionMinor];
};

describe('os-release', () => {
  it.each<[string, number, number]>([
    ['"22.04"', 22, 4],
    ['12', 12, 0],
    ['"15.5.1"', 15, 5],
    ["'22.04'", 22, 4],
    ['12abc', 12, 0],
    ['0.5', 0, 5],
    ['rolling', 1, 0],
    ['7.x', 1, 0],
    ['12.', 1, 0],
    ['""', 1, 0],
    ['-3.1', 1, 0],
    ['99999999999999999999', 1, 0],
    ['4294967295.0', 4294967295, 0],
  ])('VERSION_ID=%s is %i and %i', (id, major, minor) => {
    expect(version(id)).toEqual([major, minor]);
  });

  it('without VERSION_ID is 1 and 0', () => {
    expect(parseOsRelease('NAME=Arch Linux')).toEqual({ distribution: 'Arch Linux', versionMajor: 1, versionMinor: 0 });
  });

  it.each<[string, string]>([
    ['NAME="Debian GNU/Linux"', 'Debian GNU/Linux'],
    ["NAME='Alpine Linux'", 'Alpine Linux'],
    ['NAME=Fedora\\ Linux', 'Fedora Linux'],
    ['NAME="a \\"quoted\\" \\$name \\\\ \\`x\\`"', 'a "quoted" $name \\ `x`'],
    ['NAME="A=B"', 'A=B'],
    ['NAME="Ubuntu"\r', 'Ubuntu'],
    ['NAME=first\nNAME=last', 'last'],
    ['# NAME=comment\nNAME=""', ''],
    ['PRETTY_NAME=x\nNAME=Ubuntu', 'Ubuntu'],
  ])('%j is named %j', (text, name) => {
    expect(parseOsRelease(text).distribution).toBe(name);
  });

  it('without NAME, or unreadable, or too long, is an error 11', async () => {
    const refused = expect.objectContaining({ code: 11 });
    expect(() => parseOsRelease('PRETTY_NAME=x')).toThrow(refused);
    await expect(readOsInfo('/nonexistent/os-release')).rejects.toThrow(refused);
    await expect(readOsInfo('/')).rejects.toThrow(refused);
    await expect(readOsInfo('/dev/zero')).rejects.toThrow(refused);
  });
});
