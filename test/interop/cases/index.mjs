import { judgeAzureCrates } from './azure-crates.mjs';
import { judgeAzurePythonSdk } from './azure-python-sdk.mjs';
import { judgeAzureRustSdk } from './azure-rust-sdk.mjs';
import { judgeAzureSdk } from './azure-sdk.mjs';
import { judgeByDcapQvl } from './dcap-qvl.mjs';
import { judgeDcapQvlSamples } from './dcap-qvl-samples.mjs';
import { judgeByGo } from './go.mjs';
import { judgeByGoTpmTools } from './go-tpm-tools.mjs';
import { judgeJose } from './jose.mjs';
import { judgeKeyBroker } from './kbs.mjs';
import { listNotPublished } from './not-published.mjs';
import { judgeByPython } from './python.mjs';
import { judgePytss } from './pytss.mjs';
import { judgeByRust } from './rust.mjs';
import { judgeStreams } from './streams.mjs';
import { judgeByTpm2Tools } from './tpm2-tools.mjs';

/** Each takes the results and the machines, and puts down what came of it. */
export const cases = {
  go: judgeByGo,
  'go-tpm-tools': judgeByGoTpmTools,
  rust: judgeByRust,
  'dcap-qvl-samples': judgeDcapQvlSamples,
  python: judgeByPython,
  'dcap-qvl': judgeByDcapQvl,
  'tpm2-tools': judgeByTpm2Tools,
  'azure-crates': judgeAzureCrates,
  'azure-rust-sdk': judgeAzureRustSdk,
  'azure-sdk': judgeAzureSdk,
  'azure-python-sdk': judgeAzurePythonSdk,
  pytss: judgePytss,
  kbs: judgeKeyBroker,
  jose: judgeJose,
  streams: judgeStreams,
  'not-published': listNotPublished,
};
