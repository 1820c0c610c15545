"""Style sheet of the pages: one column, for screens from 320 pixels wide; it loads no other files."""

CSS = """
:root { color-scheme: light; --ink: #1d2329; --muted: #5b6670; --line: #dfe4e8; --ground: #f6f7f8; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 960px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; }
h2 { font-size: 20px; line-height: 1.3; margin: 0 0 4px; }
.lead { font-size: 19px; margin: 0 0 20px; }
.caption { color: var(--muted); font-size: 15px; margin: 0 0 12px; }
section { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 18px 20px; margin: 0 0 18px; }
svg { display: block; width: 100%; height: auto; overflow: visible; } /* the fonts of the reader may be wider */
svg text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif !important; }
.narrow { display: none; }
.question { margin: 0 0 8px; font-weight: 600; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(210px, 1fr)); gap: 14px; margin: 0 0 18px; }
.card { background: #fff; border: 1px solid var(--line); border-left: 8px solid var(--model); border-radius: 10px;
  padding: 12px 16px; }
.card .name { font-weight: 700; font-size: 18px; overflow-wrap: anywhere; }
.card .value { font-size: 46px; line-height: 1.15; font-weight: 700; }
.card .long { font-size: 31px; line-height: 1.6; }
.card .verdict { color: var(--muted); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 15px; }
th, td { padding: 7px 10px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap;
  font-variant-numeric: tabular-nums; }
th { color: var(--muted); font-weight: 600; }
tbody th { color: var(--ink); }
th:first-child { text-align: left; position: sticky; left: 0; background: #fff; }
tbody th { white-space: normal; overflow-wrap: anywhere; min-width: 7em; }
tr:last-child > * { border-bottom: 0; }
.results table { font-size: 13px; }
.results th, .results td { padding: 7px 5px; }
.results thead th { white-space: normal; vertical-align: bottom; }
.results tbody th { min-width: 6.6em; }
.results td:last-child { white-space: normal; }
.accuracies td { text-align: center; }
.accuracies th { white-space: normal; text-align: center; }
.accuracies th:first-child { text-align: left; }
.accuracies .dark { color: #fff; }
.matrices { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(400px, 100%), 1fr)); gap: 14px; }
.matrices > div { max-width: 520px; }
.strip { margin: 0 0 22px; }
.strip:last-child { margin-bottom: 4px; }
.strip h3 { font-size: 16px; margin: 0 0 6px; overflow-wrap: anywhere; }
.frames { display: grid; grid-template-columns: repeat(var(--n), 1fr); gap: 3px; max-width: calc(var(--n) * 116px); }
.frames figure { margin: 0; }
.frames img { display: block; width: 100%; border-radius: 3px; }
.frames figcaption { font-size: 11px; color: var(--muted); text-align: center; }
.frames img + img { margin-top: 3px; }
.frames figcaption b { color: var(--ink); font-weight: 600; }
.drop { height: 6px; margin-top: 3px; background: var(--line); border-radius: 3px; }
.drop div { height: 100%; border-radius: 3px; background: #0072B2; }
.drop .against { background: #D55E00; }
.predictions { list-style: none; display: flex; flex-wrap: wrap; gap: 6px 8px; padding: 0;
  margin: 6px 0 0; font-size: 15px; }
.predictions li { border: 1px solid var(--line); border-radius: 99px; padding: 1px 12px; overflow-wrap: anywhere; }
.predictions .right { background: #e3f1ea; border-color: #8cc7a9; }
.predictions .wrong { background: #fdeee6; border-color: #e8b08d; }
footer { color: var(--muted); font-size: 14px; }
footer p { margin: 0 0 6px; overflow-wrap: anywhere; }
@media (max-width: 700px) {
  main { padding: 18px 10px 40px; }
  h1 { font-size: 24px; }
  .lead { font-size: 17px; margin-bottom: 14px; }
  section { padding: 14px 12px; }
  .wide { display: none; }
  .narrow { display: block; }
  .cards { grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 8px; }
  .card { padding: 8px 10px; border-left-width: 6px; }
  .card .value { font-size: 34px; }
  .card .long { font-size: 19px; }
  .card .verdict { font-size: 14px; line-height: 1.3; }
  .frames { grid-template-columns: repeat(var(--half), 1fr); }
  th, td { padding: 6px 4px; }
  table, .results table { font-size: 13px; }
  th { white-space: normal; }
  tbody th { min-width: 5.5em; }
}
@media print { body { background: #fff; } section { break-inside: avoid; } }
"""
