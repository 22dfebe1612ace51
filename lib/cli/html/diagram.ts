import { markOf, STATE_MARKS } from './marks.js';
import { html, type Markup } from './markup.js';
import { type ChainLink, countChecks, LINK_IDS, type LinkId, type LinkState, stateOf } from './model.js';

const NODE = { width: 184, height: 84 };
const GAP = { x: 60, y: 64 };
const MARGIN = 6;
const COLUMNS = 5;

/** What each link does for the next one, written on the arrow between them. */
const RELATIONS: Record<Exclude<LinkId, 'token'>, string> = {
  root: 'signs',
  intermediate: 'signs',
  leaf: 'signs',
  report: 'binds',
  'runtime-data': 'holds',
  ak: 'signs',
  quote: 'covers',
  pcrs: 'replays',
  'event-log': 'attested',
};

/**
 * The chain of trust as one drawing: the first row runs from AMD's root to the runtime data, the second one back from the
 * attestation key to the event log and the token. Every node links to its details.
 */
export function diagram(links: readonly ChainLink[]): Markup {
  const byId = new Map(links.map((link) => [link.id, link]));
  const width = 2 * MARGIN + COLUMNS * NODE.width + (COLUMNS - 1) * GAP.x;
  const height = 2 * MARGIN + 2 * NODE.height + GAP.y;
  const nodes = LINK_IDS.map((id, index) => node(byId.get(id) as ChainLink, place(index)));
  const arrows = LINK_IDS.slice(0, -1).map((id, index) =>
    arrow(
      index,
      RELATIONS[id as keyof typeof RELATIONS],
      stateOf(byId.get(LINK_IDS[index + 1] as LinkId) as ChainLink),
    ),
  );
  return html`<svg class="diagram" viewBox="0 0 ${width} ${height}" role="img" aria-label="Chain of trust">
<defs>
${(['verified', 'refused', 'absent'] as const).map(
  (state) =>
    html`<marker id="head-${state}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="head ${state}" d="M0 0 8 4 0 8Z"/></marker>`,
)}
</defs>
${arrows}
${nodes}
</svg>`;
}

/** Top left corner of a node: left to right in the first row, right to left in the second. */
function place(index: number): { x: number; y: number } {
  const row = Math.floor(index / COLUMNS);
  const column = row === 0 ? index : COLUMNS - 1 - (index % COLUMNS);
  return { x: MARGIN + column * (NODE.width + GAP.x), y: MARGIN + row * (NODE.height + GAP.y) };
}

function node(link: ChainLink, { x, y }: { x: number; y: number }): Markup {
  const state = stateOf(link);
  const right = x + NODE.width - 20;
  return html`<a href="#${link.id}"><g class="node ${state}"><title>${tooltip(link)}</title>
<rect x="${x}" y="${y}" width="${NODE.width}" height="${NODE.height}" rx="10"/>
<circle cx="${right}" cy="${y + 20}" r="10"/><text class="mark" x="${right}" y="${y + 24.5}">${STATE_MARKS[state]}</text>
<text class="title" x="${x + 13}" y="${y + 25}">${link.title}</text>
<text class="identity" x="${x + 13}" y="${y + 47}">${fitted(link.identity ?? '')}</text>
<text class="count" x="${x + 13}" y="${y + 67}">${summary(link)}</text></g></a>
`;
}

function arrow(index: number, label: string, state: LinkState): Markup {
  const from = place(index);
  const to = place(index + 1);
  if (from.y !== to.y) {
    const x = from.x + NODE.width / 2;
    const [top, bottom] = [from.y + NODE.height, to.y - 2];
    return html`<path class="arrow ${state}" marker-end="url(#head-${state})" d="M${x} ${top}V${bottom}"/><text class="relation" x="${x + 24}" y="${(top + bottom) / 2 + 4}">${label}</text>`;
  }
  const forwards = to.x > from.x;
  const start = forwards ? from.x + NODE.width : from.x;
  const end = forwards ? to.x - 2 : to.x + NODE.width + 2;
  const y = from.y + NODE.height / 2;
  return html`<path class="arrow ${state}" marker-end="url(#head-${state})" d="M${start} ${y}H${end}"/><text class="relation" x="${(start + end) / 2}" y="${y - 7}">${label}</text>`;
}

function summary(link: ChainLink): string {
  const { made, failed } = countChecks(link.checks);
  if (made === 0) return link.absence;
  const noun = made === 1 ? 'check' : 'checks';
  return failed === 0 ? `${made} ${noun} passed` : `${failed} of ${made} ${noun} failed`;
}

function tooltip(link: ChainLink): string {
  const checks = link.checks.map((check) => `${markOf(check)} ${check.name}`);
  const fields = link.fields.map(({ name, value }) => `${name}: ${fitted(value, 70)}`);
  return [link.title, ...checks, ...(fields.length > 0 ? ['', ...fields] : [])].join('\n');
}

function fitted(text: string, limit = 27): string {
  const characters = [...text];
  return characters.length <= limit ? text : `${characters.slice(0, limit - 1).join('')}…`;
}
