// A worker for workerd.
import * as api from 'cvm-guest-attestation/verify';
import { checkRuntime } from './check.mjs';
import vector from './vector.json';

// biome-ignore lint/style/noDefaultExport: workers export their handlers so
export default {
  fetch: async () => Response.json(await checkRuntime(api, vector)),
};
