import { type Command, Option } from 'commander';
import { type Evidence, fetchTdxCollateral, importTdxCollateral, type TdxCollateral } from '../../index.js';
import type { Context } from '../context.js';
import { UsageError } from '../exit.js';
import { ENV, proxyOption } from '../options.js';
import { readText } from './files.js';

/** Where Intel's word about a TDX platform comes from, as commander delivers it. */
export interface CollateralArguments {
  collateral?: string;
  fetchCollateral?: string | boolean;
  proxy?: string | false;
}

const MAX_COLLATERAL_BYTES = 4 << 20;

/** `--collateral` and `--fetch-collateral`, with `--proxy` where the command has none yet. */
export function addCollateralOptions(command: Command): Command {
  command
    .addOption(collateralFileOption())
    .option('--fetch-collateral [source]', 'TDX: fetch them: intel (default), azure, or a URL');
  return command.options.some(({ long }) => long === '--proxy') ? command : command.addOption(proxyOption());
}

export function collateralFileOption(): Option {
  return new Option(
    '--collateral <file>',
    "TDX: Intel's documents about the platform, as QuoteCollateralV3 in JSON",
  ).env(ENV.collateral);
}

/** Collateral in the file that the option, or the environment variable, names. */
export async function readCollateral(path: string | undefined): Promise<TdxCollateral | undefined> {
  return path ? importTdxCollateral(await readText(path, MAX_COLLATERAL_BYTES)) : undefined;
}

/** Collateral for a quote; undefined when nobody asked for any, or there is no quote. A fetch that was asked for comes first. */
export async function collateralFor(
  { terminal, signal }: Context,
  { collateral, fetchCollateral, proxy }: CollateralArguments,
  quote: Uint8Array | undefined,
): Promise<TdxCollateral | undefined> {
  if (quote === undefined) return undefined;
  if (fetchCollateral !== undefined && fetchCollateral !== false) {
    const source = sourceOf(fetchCollateral);
    return terminal.progress(
      'fetching collateral',
      fetchTdxCollateral(quote, { source, signal, ...(proxy === undefined ? {} : { proxy }) }),
    );
  }
  return readCollateral(collateral);
}

/** The same as an option of `explainEvidence`, where the evidence does not bring its own. */
export async function collateralOption(
  context: Context,
  options: CollateralArguments,
  { tdQuote }: Pick<Evidence, 'tdQuote'>,
): Promise<{ collateral?: TdxCollateral }> {
  const collateral = await collateralFor(context, options, tdQuote);
  return collateral === undefined ? {} : { collateral };
}

export function sourceOf(value: string | boolean): 'intel' | 'azure' | URL {
  if (value === true || value === 'intel') return 'intel';
  if (value === 'azure') return 'azure';
  if (typeof value === 'string' && URL.canParse(value)) return new URL(value);
  throw new UsageError('--fetch-collateral takes intel, azure, or a URL');
}
