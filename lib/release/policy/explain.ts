import { readArguments } from '../../base/options.js';
import type { EvaluatedAuthority, EvaluatedCondition, ReleaseEvaluation } from './evaluate.js';

const MAX_SHOWN = 120;

/**
 * An evaluation in words, several lines: which authority is the token's, which conditions hold, what the token has where
 * they do not, and what to do about the known mistakes.
 */
export function explainReleasePolicy(evaluation: ReleaseEvaluation): string {
  return readArguments('explainReleasePolicy', () => explained(evaluation));
}

function explained(evaluation: ReleaseEvaluation): string {
  const { released, issuer, authorities, hint } = evaluation;
  return [
    released ? 'would be released' : 'would NOT be released',
    ...(hint === undefined ? [] : [`  hint: ${hint}`]),
    ...authorities.flatMap((authority) => explainAuthority(authority, issuer)),
  ].join('\n');
}

function explainAuthority(authority: EvaluatedAuthority, issuer: string | undefined): string[] {
  const { issuerMatches, kind, conditions, hint } = authority;
  const found = issuer === undefined ? '' : `: the token is from ${shown(issuer)}`;
  return [
    `  authority ${printable(authority.authority)}   issuer ${issuerMatches ? 'matches' : `does not match${found}`}`,
    ...(hint === undefined ? [] : [`      hint: ${printable(hint)}`]),
    `    ${kind}`,
    ...conditions.flatMap((condition) => explainCondition(condition, '      ')),
  ];
}

function explainCondition(condition: EvaluatedCondition, indent: string): string[] {
  const { met, kind, claim = '', operator = 'equals', expected, conditions = [], hint } = condition;
  const mark = met ? '✓' : '✗';
  if (kind !== 'claim') {
    return [`${indent}${mark} ${kind}`, ...conditions.flatMap((one) => explainCondition(one, `${indent}    `))];
  }
  const found = met ? '' : `   ${finding(condition)}`;
  return [
    `${indent}${mark} ${printable(claim)} ${operator} ${shown(expected)}${found}`,
    ...(hint === undefined ? [] : [`${indent}    hint: ${printable(hint)}`]),
  ];
}

const finding = ({ actual }: EvaluatedCondition): string =>
  actual === undefined ? 'the token has no such claim' : `the token has ${shown(actual)}`;

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? '';
  return printable(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text);
}

/** Nothing that moves a terminal's cursor or turns the direction of its text. */
const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}]/gu, '�');
