#!/usr/bin/env node
'use strict';
// Stands in for node-gyp under prebuildify, which runs it as `<this> rebuild …` and then takes build/Release/*.node.
const { spawnSync } = require('node:child_process');
const { dirname, join } = require('node:path');

const manifest = require.resolve('cmake-js/package.json');
const cmakeJs = join(dirname(manifest), require(manifest).bin['cmake-js']);
const config = process.argv.includes('--debug') ? 'Debug' : 'Release';
const run = spawnSync(process.execPath, [cmakeJs, 'rebuild', '--config', config], { stdio: 'inherit' });
process.exit(run.status ?? 1);
