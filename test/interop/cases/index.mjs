import { judgeAzureCrates } from './azure-crates.mjs';
import { judgeAzureSdk } from './azure-sdk.mjs';
import { judgeByDcapQvl } from './dcap-qvl.mjs';
import { judgeByGo } from './go.mjs';
import { judgeJose } from './jose.mjs';
import { judgeByPython } from './python.mjs';
import { judgePytss } from './pytss.mjs';
import { judgeByRust } from './rust.mjs';
import { judgeByTpm2Tools } from './tpm2-tools.mjs';

/** Each takes the results and the machines, and puts down what came of it. */
export const cases = {
  go: judgeByGo,
  rust: judgeByRust,
  python: judgeByPython,
  'dcap-qvl': judgeByDcapQvl,
  'tpm2-tools': judgeByTpm2Tools,
  'azure-crates': judgeAzureCrates,
  'azure-sdk': judgeAzureSdk,
  pytss: judgePytss,
  jose: judgeJose,
};
