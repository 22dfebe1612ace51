import { createHash } from 'node:crypto';
import type { Check } from '../../base/errors.js';
import type { Field, Section } from '../output/table.js';
import { diagram } from './diagram.js';
import { markOf, STATE_MARKS } from './marks.js';
import { html, Markup } from './markup.js';
import { type ChainLink, type LinkState, ownState, type Page, type PageState, statesOf } from './model.js';
import { STYLE } from './style.js';

/**
 * A page as one self-contained file: no script, no reference to anything outside, and a content security policy that
 * allows nothing but this very style sheet, so that a hostile value that slipped through could still do nothing.
 */
export function renderPage(page: Page): string {
  const styleHash = createHash('sha256').update(STYLE).digest('base64');
  const states = statesOf(page.links);
  const policy = `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${page.title}: ${PAGE_WORDS[page.state]}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<header class="${page.state}">
<div><h1>${page.title}</h1><p class="subject">${page.subject}</p>${page.caution === undefined ? undefined : html`<p class="caution">${page.caution}</p>`}</div>
<p class="verdict"><span class="mark" aria-hidden="true">${PAGE_MARKS[page.state]}</span> ${page.verdict}</p>
</header>
<main>
${diagram(page.links, hasDetails)}
<p class="toggle"><label><input type="checkbox" class="show-values"> Show the values behind every check</label></p>
<div class="cards">
${page.links.filter(hasDetails).map((link) => card(link, states.get(link.id) ?? 'absent'))}
${page.otherChecks.map(otherCard)}
${page.sections.filter(({ fields }) => fields.length > 0).map(sectionCard)}
</div>
</main>
<footer>Made by cvm-attest ${page.version} at ${page.created.toISOString().slice(0, 19)}Z. The page states what was verified then; it proves nothing by itself.</footer>
</body>
</html>
`.text;
}

const PAGE_MARKS: Readonly<Record<PageState, string>> = { verified: '✓', refused: '✗', unverified: '!' };
const PAGE_WORDS: Readonly<Record<PageState, string>> = {
  verified: 'verified',
  refused: 'refused',
  unverified: 'not verified',
};

/** Whether a link has a card, which its node in the drawing leads to. */
const hasDetails = ({ checks, fields }: ChainLink): boolean => checks.length > 0 || fields.length > 0;

function card(link: ChainLink, state: LinkState): Markup {
  return html`<article id="${link.id}" class="card ${state}">
<h2><span class="mark" aria-hidden="true">${STATE_MARKS[state]}</span> ${link.title}${link.identity === undefined ? undefined : html` <small>${link.identity}</small>`}</h2>
${link.checks.length > 0 ? checkList(link.checks) : html`<p class="absence">${link.absence}</p>`}
${fieldTable(link.fields)}
</article>
`;
}

function otherCard({ title, checks }: { title: string; checks: readonly Check[] }): Markup {
  const state = ownState(checks);
  return html`<article class="card ${state}"><h2><span class="mark" aria-hidden="true">${STATE_MARKS[state]}</span> ${title}</h2>${checkList(checks)}</article>
`;
}

function sectionCard({ title, fields }: Section): Markup {
  return html`<article class="card absent"><h2>${title}</h2>${fieldTable(fields)}</article>
`;
}

function checkList(checks: readonly Check[]): Markup {
  return html`<ul class="checks">${checks.map(checkItem)}</ul>`;
}

function checkItem(check: Check): Markup {
  const values = valuesOf(check);
  const hover = values.map(([label, value]) => `${label}: ${value}`).join('\n');
  return html`<li class="${check.skipped ? 'skipped' : check.ok ? 'ok' : 'bad'}" title="${hover}"><span class="mark" aria-hidden="true">${markOf(check)}</span><span class="heard">${check.skipped ? 'not called for' : check.ok ? 'passed' : 'failed'}: </span> ${check.name}${check.ok || check.code === undefined ? undefined : html` <code class="code">${check.code}</code>`}${
    values.length === 0
      ? undefined
      : html`<dl>${values.map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>`
  }</li>`;
}

/** The values that were compared; one where they are the same. */
function valuesOf({ expected, actual }: Check): [label: string, value: string][] {
  if (expected !== undefined && expected === actual) return [['value', actual]];
  return [
    ...(expected === undefined ? [] : [['expected', expected] as [string, string]]),
    ...(actual === undefined ? [] : [['actual', actual] as [string, string]]),
  ];
}

function fieldTable(fields: readonly Field[]): Markup | undefined {
  if (fields.length === 0) return undefined;
  return html`<table>${fields.map(
    ({ name, value, alert }) =>
      html`<tr><th scope="row">${name}</th><td${alert ? html` class="alert"` : undefined}>${value}</td></tr>`,
  )}</table>`;
}
