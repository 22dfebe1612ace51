import { Command, InvalidArgumentError } from 'commander';
import { fetchTdxCollateral, KdsClient, memoryCache } from '../../index.js';
import {
  createVerifierService,
  type ServedRequests,
  serveRequests,
  type VerifierService,
} from '../../relying-party/index.js';
import type { Context } from '../context.js';
import { UsageError } from '../exit.js';
import { parseInteger } from '../input/bytes.js';
import { addCollateralOptions, type CollateralArguments, readCollateral, sourceOf } from '../input/collateral.js';
import { readInput, readText } from '../input/files.js';
import { addVerificationOptions, type VerificationArguments, verificationOptions } from '../input/verification.js';
import { collect, jsonOption } from '../options.js';
import { printable } from '../output/printable.js';
import { openStore, requireOneStore, type StoreArguments } from '../serve/store.js';

interface ServeArguments extends VerificationArguments, CollateralArguments, StoreArguments {
  fetchCrls?: string | boolean;
  issuer: string;
  audience?: string[];
  signingKey?: string[];
  secretFile?: string[];
  allowAnyMachine?: boolean;
  context?: string[];
  tokenIssuer?: string[];
  host: string;
  port: number;
  tlsCert?: string;
  tlsKey?: string;
  clientCa?: string;
  workers: number;
  rate?: number;
  json?: boolean;
}

const MAXIMUM_SECRET = 4096;
const MAXIMUM_PEM = 1 << 20;
const GRACE_MS = 10_000;

export function serveCommand(context: Context): Command {
  const command = new Command('serve')
    .summary('run a verifier service')
    .description(
      'Serves the verification of evidence and tokens to others: signed results (EAR), their keys, health, metrics and an OpenAPI document. Runs until Ctrl-C or SIGTERM; requests in progress are answered.',
    )
    .requiredOption('--issuer <url>', 'who signs the results, as in iss', addressOf())
    .option('--audience <name>', 'who may take a result, as in aud; may be repeated', collect)
    .option('--signing-key <file>', 'private key, PEM; the first signs, all are published; may be repeated', collect)
    .option(
      '--secret-file <file>',
      'secret for challenges, 32 bytes or more; the first makes; may be repeated',
      collect,
    )
    .option('--allow-any-machine', 'affirm every machine that the policy fits, whosever it is')
    .option(
      '--context <name>',
      'context of a relying party that brings its own nonces; may be repeated',
      collectContext,
    )
    .option('--token-issuer <url>', 'attestation service whose tokens are taken; may be repeated', collectIssuer)
    .option('--host <address>', 'where to listen', '127.0.0.1')
    .option('--port <number>', 'where to listen; 0 for any', parseInteger(0, 65_535), 8443)
    .option('--tls-cert <file>', 'certificate chain, PEM')
    .option('--tls-key <file>', 'its private key, PEM')
    .option('--client-ca <file>', 'authorities of client certificates, PEM: then every client must show one')
    .option('--redis <url>', 'where replicas remember used challenges; needs the package redis')
    .option('--redis-file <file>', 'the same, with the URL in a file: it may hold a password; - for stdin')
    .option('--postgres <url>', 'the same in PostgreSQL; needs the package pg')
    .option('--postgres-file <file>', 'the same, with the URL in a file')
    .option('--workers <number>', 'threads that verify, beside the one that serves', parseInteger(0, 1_024), 0)
    .option('--rate <number>', 'requests of one address in a second', parseInteger(1, 1_000_000))
    .addOption(jsonOption());
  addCollateralOptions(addVerificationOptions(command));
  command.option('--fetch-crls [url]', "SEV-SNP: fetch revocation lists; default: AMD's");
  return command
    .addHelpText(
      'after',
      `
Examples:
  cvm-attest serve --issuer https://verifier.example --audience https://service.example \\
    --signing-key key.pem --secret-file secret --policy policy.json --redis redis://127.0.0.1

Without --redis or --postgres used challenges are remembered in this process only.`,
    )
    .action((options: ServeArguments) => serve(context, options));
}

async function serve(context: Context, options: ServeArguments): Promise<void> {
  const { terminal, signal } = context;
  const { audience, signingKey, secretFile, tlsCert, tlsKey, clientCa } = options;
  if (audience === undefined) throw new UsageError('--audience is missing');
  if (signingKey === undefined) throw new UsageError('--signing-key is missing');
  if (secretFile === undefined) throw new UsageError('--secret-file is missing');
  if ((tlsCert === undefined) !== (tlsKey === undefined)) throw new UsageError('--tls-cert and --tls-key go together');
  if (clientCa !== undefined && tlsCert === undefined)
    throw new UsageError('--client-ca needs --tls-cert and --tls-key');
  if (options.collateral !== undefined && isAsked(options.fetchCollateral)) {
    throw new UsageError('give --collateral or --fetch-collateral, not both');
  }
  if (options.crl !== undefined && isAsked(options.fetchCrls)) {
    throw new UsageError('give --crl or --fetch-crls, not both');
  }
  requireOneStore(options);
  const opened = await openStore(options, signal);
  let service: VerifierService | undefined;
  let served: ServedRequests | undefined;
  try {
    service = createVerifierService({
      issuer: options.issuer,
      audiences: audience,
      signingKeys: await Promise.all(signingKey.map((path) => readText(path, MAXIMUM_PEM))),
      secret: await Promise.all(secretFile.map((path) => readInput(path, MAXIMUM_SECRET))),
      store: opened.store,
      workers: options.workers,
      ...(await verificationOptions(options)),
      ...(await collateralOf(options)),
      ...crlsOf(options),
      ...(options.allowAnyMachine && { allowAnyMachine: true }),
      ...(options.context && { contexts: options.context }),
      ...(options.tokenIssuer && { tokens: { issuer: options.tokenIssuer } }),
      logger: {
        debug: () => {},
        info: () => {},
        warn: (message) => terminal.note(printable(message)),
        error: (message) => terminal.note(printable(message)),
      },
    });
    served = await serveRequests(service, {
      host: options.host,
      port: options.port,
      ...(options.rate !== undefined && { requestsPerSecond: options.rate }),
      ...(tlsCert !== undefined &&
        tlsKey !== undefined && {
          tls: {
            cert: await readText(tlsCert, MAXIMUM_PEM),
            key: await readText(tlsKey, MAXIMUM_PEM),
            ...(clientCa !== undefined && { clientCa: await readText(clientCa, MAXIMUM_PEM) }),
          },
        }),
    });
    const url = `${tlsCert === undefined ? 'http' : 'https'}://${options.host}:${served.port}`;
    if (options.json) terminal.json({ url, issuer: options.issuer });
    else terminal.note(`serving on ${url}`);
    if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    if (!options.json) terminal.note('stopping: requests in progress are answered');
  } finally {
    await served?.close(GRACE_MS);
    await service?.close();
    await opened.close();
  }
}

/** Fetched at most once a day for each platform, and only for evidence that brings none. */
async function collateralOf({ collateral, fetchCollateral, proxy }: CollateralArguments) {
  if (!isAsked(fetchCollateral)) {
    const given = await readCollateral(collateral);
    return given === undefined ? {} : { collateral: given };
  }
  const source = sourceOf(fetchCollateral);
  const cache = memoryCache();
  return {
    collateral: (quote: Uint8Array) =>
      fetchTdxCollateral(quote, { source, cache, ...(proxy === undefined ? {} : { proxy }) }),
  };
}

/** Asked for again after an hour, and only for evidence of which nothing else is wrong. */
function crlsOf({ fetchCrls, proxy }: ServeArguments) {
  if (!isAsked(fetchCrls)) return {};
  const kds = new KdsClient({
    cacheDirectory: false,
    ...(typeof fetchCrls === 'string' && { baseUrl: fetchCrls }),
    ...(proxy !== undefined && { proxy }),
  });
  return { crls: kds.crl.bind(kds) };
}

/** Of an option whose value may be left out. */
function isAsked(option: string | boolean | undefined): option is string | true {
  return option !== undefined && option !== false;
}

function addressOf(scheme = /^\w/): (argument: string) => string {
  return (argument) => {
    if (scheme.test(argument) && argument.trim() === argument && URL.canParse(argument)) return argument;
    throw new InvalidArgumentError('It takes a URL with its scheme, such as https://verifier.example.');
  };
}

function collectIssuer(argument: string, previous: string[] | undefined): string[] | undefined {
  return collect(addressOf(/^https?:\/\//i)(argument), previous);
}

function collectContext(argument: string, previous: string[] | undefined): string[] | undefined {
  if (!/^[a-z0-9-]{1,32}$/.test(argument)) throw new InvalidArgumentError('It takes 1 to 32 of a-z, 0-9 and -.');
  return collect(argument, previous);
}
