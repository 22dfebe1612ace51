import { STATE_MARKS, STATE_WORDS } from './marks.js';
import { html, type Markup } from './markup.js';
import { brokenBy, type ChainLink, countChecks, HANGS_ON, type LinkId, type LinkState, statesOf } from './model.js';

/** What the link before does for each link, written on the line between them. */
const RELATIONS: Readonly<Record<LinkId, string>> = {
  root: '',
  collateral: 'signed by',
  intermediate: 'signed by',
  leaf: 'signed by',
  'quoting-enclave': 'certified by',
  tcb: 'of the platform of',
  report: 'signed by',
  'runtime-data': 'bound by',
  ak: 'named in',
  quote: 'signed by',
  pcrs: 'covered by',
  'event-log': 'replays to',
  'encryption-key': 'certified by',
  policy: 'decides about',
  token: '',
};

/**
 * The chain of trust as a drawing: a list of links in reading order, which wraps as the page is wide. Every link that has
 * details leads to them. A failed link breaks what hangs on it, and the line to it is cut.
 */
export function diagram(links: readonly ChainLink[], hasDetails: (link: ChainLink) => boolean): Markup {
  const states = statesOf(links);
  const titles = new Map(links.map(({ id, title }) => [id, title]));
  const item = (link: ChainLink): Markup => {
    const state = states.get(link.id) ?? 'absent';
    const [above] = HANGS_ON[link.id].filter((id) => titles.has(id));
    return html`<li class="${state}${above !== undefined && isCut(above, states) ? ' cut' : ''}">${
      above === undefined
        ? undefined
        : html`<span class="relation">${RELATIONS[link.id]} <b>${titles.get(above)}</b></span>`
    }${node(link, state, why(link, states, titles), hasDetails(link))}</li>
`;
  };
  return html`<nav class="overview" aria-label="Chain of trust"><ol class="chain">
${links.map(item)}</ol></nav>`;
}

function node(link: ChainLink, state: LinkState, explanation: string, linked: boolean): Markup {
  const content = html`<span class="mark" aria-hidden="true">${STATE_MARKS[state]}</span><span class="title">${link.title}<span class="heard">: ${STATE_WORDS[state]}</span></span>${
    link.identity === undefined ? undefined : html`<span class="identity">${link.identity}</span>`
  }<span class="count">${explanation}</span>`;
  return linked
    ? html`<a class="node ${state}" href="#${link.id}">${content}</a>`
    : html`<span class="node ${state}">${content}</span>`;
}

/** The outcome of a link, in a few words. */
function why(link: ChainLink, states: ReadonlyMap<LinkId, LinkState>, titles: ReadonlyMap<LinkId, string>): string {
  const { made, failed } = countChecks(link.checks);
  if (states.get(link.id) === 'broken') {
    const names = [...new Set(brokenBy(link.id, states))].map((id) => titles.get(id));
    return names.length === 0 ? 'could not be checked' : `broken: ${names.join(', ')} failed`;
  }
  if (made === 0) return link.absence;
  const noun = made === 1 ? 'check' : 'checks';
  return failed === 0 ? `${made} ${noun} passed` : `${failed} of ${made} ${noun} failed`;
}

const isCut = (id: LinkId, states: ReadonlyMap<LinkId, LinkState>): boolean =>
  states.get(id) === 'refused' || states.get(id) === 'broken';
