#!/usr/bin/env node
// Stands in for node-gyp under prebuildify: builds build/Release/*.node of the current folder with cmake-js, inside the
// Debian 12 that scripts/debian12.sh unpacked. scripts/build-prebuilds.sh calls it; the folder lies in that tree.
import { spawnSync } from 'node:child_process';
import { relative } from 'node:path';

const { CGA_TREE: tree, CGA_TRIPLET: triplet } = process.env;
const processor = triplet.split('-')[0];
const folder = `/${relative(tree, process.cwd())}`;
const arch = processor === 'aarch64' ? 'arm64' : 'x64';
const build = [
  'node /node_modules/cmake-js/bin/cmake-js rebuild --config Release --arch',
  arch,
  '--CDCGA_DEBUG_INFO=ON --CDCGA_OPENSSL=/openssl',
  `--CDCMAKE_TOOLCHAIN_FILE=${folder}/cmake/debian12.cmake --CDCGA_TRIPLET=${triplet} --CDCGA_PROCESSOR=${processor}`,
].join(' ');
const environment = ['HOME=/tmp', 'PATH=/usr/local/bin:/usr/bin', 'LANG=C.UTF-8', 'SOURCE_DATE_EPOCH=1790000000'];
const run = spawnSync(
  'chroot',
  [tree, '/usr/bin/env', '-i', ...environment, 'bash', '-c', `cd ${folder} && ${build}`],
  { stdio: 'inherit' },
);
process.exit(run.status ?? 1);
