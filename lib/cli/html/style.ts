/** The page's style sheet. Light and dark follow the reader's setting; paper is always light and shows every value. */
export const STYLE = `
:root {
  --ink: #16202e; --soft: #5b6878; --line: #d5dce5; --paper: #f4f6f9; --card: #ffffff;
  --good: #14784a; --good-soft: #e6f5ec; --good-line: #8fcfae;
  --bad: #b3261e; --bad-soft: #fdecea; --bad-line: #ea9a94; --none-soft: #f0f2f5; --warn: #8a5a00;
  color-scheme: light dark;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --ink: #e6ebf2; --soft: #9aa7b8; --line: #344153; --paper: #10161f; --card: #18212d;
    --good: #5fd49a; --good-soft: #14301f; --good-line: #2f7d55;
    --bad: #ff9c94; --bad-soft: #3d1917; --bad-line: #a3453e; --none-soft: #1e2937; --warn: #f0c06a;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif; }
header, main, footer { max-width: 1240px; margin: 0 auto; padding: 0 24px; }
header { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 8px 24px; padding-top: 28px; padding-bottom: 18px; }
h1 { margin: 0; font-size: 25px; letter-spacing: -0.01em; }
.subject { margin: 2px 0 0; color: var(--soft); overflow-wrap: anywhere; }
.caution { margin: 2px 0 0; color: var(--warn); font-weight: 600; }
.verdict { margin: 0; padding: 9px 18px; border-radius: 999px; font-weight: 600; border: 1px solid; }
header.verified .verdict { color: var(--good); background: var(--good-soft); border-color: var(--good-line); }
header.refused .verdict { color: var(--bad); background: var(--bad-soft); border-color: var(--bad-line); }
header.unverified .verdict { color: var(--warn); background: var(--none-soft); border-color: var(--line); }
.heard { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.overview { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 18px; }
.chain { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: 14px 0; }
.chain li { display: flex; align-items: stretch; flex: 0 1 auto; min-width: 0; }
.chain li:not(:has(.relation)) { padding-left: 92px; }
.relation { flex: 0 0 92px; align-self: center; padding: 0 9px 7px 5px; font-size: 12px; line-height: 1.3; text-align: center; color: var(--soft); position: relative; }
.relation b { display: block; font-weight: 600; overflow-wrap: anywhere; }
.relation::before { content: ""; position: absolute; left: 5px; right: 9px; bottom: 0; border-bottom: 2px solid var(--good-line); }
.relation::after { content: ""; position: absolute; right: 4px; bottom: -4px; border: 5px solid transparent; border-left-color: var(--good-line); border-right-width: 0; }
li.absent .relation::before { border-bottom: 2px dashed var(--line); }
li.absent .relation::after { border-left-color: var(--line); }
li.cut .relation::before { border-bottom: 3px dotted var(--bad); }
li.cut .relation::after { border-left-color: var(--bad); }
li.refused .relation::before { border-bottom-color: var(--bad); }
li.refused .relation::after { border-left-color: var(--bad); }
.node { display: grid; grid-template-columns: 1fr auto; align-content: start; gap: 1px 8px; width: 190px; padding: 9px 12px 10px; border: 1.5px solid var(--line); border-radius: 10px; background: var(--none-soft); color: var(--ink); text-decoration: none; font-size: 13px; line-height: 1.35; }
.node .mark { grid-column: 2; grid-row: 1; font-weight: 700; font-size: 15px; }
.node .title { grid-column: 1; grid-row: 1; font-size: 15px; font-weight: 650; overflow-wrap: anywhere; }
.node .identity, .node .count { grid-column: 1 / -1; overflow-wrap: anywhere; }
.node .identity { color: var(--soft); }
.node.verified { background: var(--good-soft); border-color: var(--good-line); }
.node.verified .mark, .node.verified .count { color: var(--good); }
.node.refused { background: var(--bad-soft); border: 2.5px solid var(--bad); }
.node.refused .mark, .node.refused .count { color: var(--bad); font-weight: 650; }
.node.broken { background: repeating-linear-gradient(135deg, var(--card) 0 9px, var(--bad-soft) 9px 18px); border: 2px dashed var(--bad); }
.node.broken .mark, .node.broken .count { color: var(--bad); }
.node.absent { border-style: dashed; }
.node.absent .title, .node.absent .mark, .node.absent .count { color: var(--soft); }
a.node:hover, a.node:focus-visible { outline: 3px solid var(--soft); outline-offset: 1px; }
@media screen and (max-width: 640px) {
  header, main, footer { padding-left: 12px; padding-right: 12px; }
  h1 { font-size: 21px; }
  .verdict { border-radius: 12px; }
  .overview { padding: 12px; }
  .chain { gap: 0; }
  .chain li:not(:has(.relation)) { padding-left: 0; }
  .chain li:not(:has(.relation)):not(:first-child) { padding-top: 14px; }
  .chain li { flex: 1 1 100%; flex-direction: column; }
  .relation { flex: none; align-self: stretch; text-align: left; padding: 6px 6px 6px 30px; font-size: 14px; }
  .relation b { display: inline; }
  .relation::before { left: 16px; right: auto; top: 0; bottom: 6px; border-bottom: 0 !important; border-left: 2px solid var(--good-line); }
  .relation::after { left: 12px; right: auto; bottom: 1px; border: 5px solid transparent; border-top-color: var(--good-line); border-bottom-width: 0; }
  li.absent .relation::before { border-left: 2px dashed var(--line); }
  li.absent .relation::after { border-left-color: transparent; border-top-color: var(--line); }
  li.cut .relation::before, li.refused .relation::before { border-left: 3px dotted var(--bad); }
  li.cut .relation::after, li.refused .relation::after { border-left-color: transparent; border-top-color: var(--bad); }
  .node { width: auto; font-size: 14px; }
  .node .title { font-size: 16px; }
  table, tbody, tr, th, td { display: block; width: auto; }
  th { width: auto; padding: 6px 0 0; }
  td { padding: 0 0 6px; font-size: 13px; }
  tr + tr td { border-top: 0; }
}
.toggle { margin: 16px 2px; color: var(--soft); font-size: 14px; }
.cards { columns: 2 480px; column-gap: 18px; }
.card { break-inside: avoid; background: var(--card); border: 1px solid var(--line); border-left: 5px solid var(--line); border-radius: 10px; padding: 14px 18px 12px; margin: 0 0 18px; }
.card.verified { border-left-color: var(--good-line); }
.card.refused, .card.broken { border-left-color: var(--bad); }
.card:target { outline: 2px solid var(--soft); outline-offset: 2px; }
h2 { margin: 0 0 8px; font-size: 16.5px; }
h2 small { color: var(--soft); font-size: 13px; font-weight: 400; margin-left: 4px; overflow-wrap: anywhere; }
.card.verified h2 .mark, .ok .mark { color: var(--good); }
.card.refused h2 .mark, .card.broken h2 .mark, .bad .mark { color: var(--bad); }
.card.absent h2 .mark { color: var(--soft); }
.absence { margin: 0 0 8px; color: var(--soft); }
.checks { list-style: none; margin: 0 0 8px; padding: 0; }
.checks li { padding: 2px 0 2px 22px; text-indent: -22px; }
.checks .mark { display: inline-block; width: 18px; text-indent: 0; font-weight: 700; }
.checks .bad { color: var(--bad); }
.checks .skipped { color: var(--soft); }
.checks li[title]:not([title=""]) { cursor: help; }
.code { font: 12px ui-monospace, "DejaVu Sans Mono", monospace; background: var(--bad-soft); border-radius: 4px; padding: 1px 5px; }
dl { display: none; margin: 2px 0 4px; text-indent: 0; color: var(--soft); font-size: 12.5px; }
dl div { display: flex; gap: 8px; }
dt { flex: 0 0 60px; }
dd { margin: 0; font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 11.5px; line-height: 1.6; overflow-wrap: anywhere; white-space: pre-wrap; }
.bad dl, main:has(.show-values:checked) dl { display: block; }
table { width: 100%; border-collapse: collapse; font-size: 13px; table-layout: fixed; }
th { text-align: left; vertical-align: top; font-weight: 400; color: var(--soft); padding: 3px 12px 3px 0; width: 38%; }
td { vertical-align: top; padding: 3px 0; overflow-wrap: anywhere; font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 12px; line-height: 1.6; }
tr + tr th, tr + tr td { border-top: 1px solid var(--line); }
td.alert { color: var(--warn); font-weight: 600; }
footer { color: var(--soft); font-size: 12.5px; padding-top: 4px; padding-bottom: 32px; }
@media print {
  @page { margin: 12mm; }
  body { background: #fff; font-size: 9.5px; }
  header, main, footer { padding-left: 0; padding-right: 0; max-width: none; }
  header { padding-top: 0; }
  .toggle { display: none; }
  .overview { padding: 10px; margin-bottom: 12px; }
  .chain { gap: 8px 0; }
  .node { width: 128px; padding: 5px 7px; font-size: 8.5px; }
  .node .title { font-size: 10px; }
  .relation { flex-basis: 62px; font-size: 7.5px; }
  .chain li:not(:has(.relation)) { padding-left: 62px; }
  .cards { columns: 2; column-gap: 12px; }
  .card { break-inside: auto; padding: 7px 10px 6px; margin-bottom: 10px; border-radius: 4px; }
  h2 { font-size: 11.5px; margin-bottom: 4px; break-after: avoid; }
  h2 small { font-size: 9.5px; }
  .checks li, tr { break-inside: avoid; }
  .checks li { padding: 1px 0 1px 14px; text-indent: -14px; }
  .checks .mark { width: 12px; }
  dl { display: block; margin: 0; font-size: 8.5px; }
  dt { flex-basis: 42px; }
  dd, td, .code { font-size: 8px; line-height: 1.35; }
  table { font-size: 8.5px; }
  th, td { padding-top: 1.5px; padding-bottom: 1.5px; }
  .card, .overview { border-color: #999; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
