"""How pages look, light and dark (CSS), and the colours of models on pages and in pictures."""

COLOURS = ("#5b6470", "#1f6fb4", "#b3500f", "#227a49", "#8a4fbf", "#b0204f", "#7a6000", "#007a87")
"""Colours of the reference and up to seven models; the contrast of each with white is at least 4.5:1."""

_STYLE = """
:root { --ink: #1b1f24; --quiet: #5b6470; --line: #dfe3e8; --paper: #fff; --ground: #f4f6f8;
  --accent: #1f6fb4; --warn: #8a4b00; --warn-ground: #fff4e0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --quiet: #9aa4b0; --line: #343b44; --paper: #1b2027;
  --ground: #12161b; --accent: #6cb2f0; --warn: #ffc56b; --warn-ground: #33270f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1140px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 24px; line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 0 0 10px; }
h3 { font-size: 14px; margin: 18px 0 6px; }
p { margin: 0 0 10px; max-width: 85ch; }
header p { margin: 4px 0 20px; color: var(--quiet); }
section, .tile { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; }
section { padding: 18px 22px; margin: 0 0 18px; }
.scroll { overflow-x: auto; margin: 8px 0 12px; }
table { border-collapse: collapse; font-size: 13.5px; }
th { font-weight: 600; color: var(--quiet); border-bottom: 1px solid var(--line); vertical-align: bottom; }
th, td { padding: 4px 16px 4px 0; vertical-align: baseline; }
th.number { min-width: 4.5em; }
th:last-child, td:last-child { padding-right: 0; }
.word { text-align: left; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
td.word { white-space: normal; overflow-wrap: break-word; max-width: 34em; }
tr.group td { border-top: 1px solid var(--line); }
tbody tr:first-child td { border-top: 0; }
dl { display: grid; grid-template-columns: minmax(10em, max-content) 1fr; gap: 3px 22px; margin: 8px 0;
  font-size: 13.5px; }
dt { color: var(--quiet); max-width: 30em; overflow-wrap: anywhere; }
dd { margin: 0; overflow-wrap: anywhere; }
.tiles { display: flex; flex-wrap: wrap; gap: 14px; margin: 0 0 18px; }
.tile { flex: 1 1 170px; padding: 12px 16px; }
.tile span, .tile em { display: block; font-style: normal; font-size: 12.5px; color: var(--quiet); }
.tile strong { display: block; font-size: 24px; line-height: 1.3; font-variant-numeric: tabular-nums; }
.note { border-left: 3px solid var(--accent); padding: 2px 0 2px 12px; }
.note.quiet { border-color: var(--line); color: var(--quiet); font-size: 13px; }
.note.warning { border-color: var(--warn); background: var(--warn-ground); padding: 8px 12px; }
figure { margin: 10px 0 18px; }
figure img { max-width: 100%; height: auto; background: #fff; border-radius: 4px; padding: 4px; }
figcaption { color: var(--quiet); font-size: 13px; }
details { margin: 8px 0; }
summary { cursor: pointer; color: var(--accent); }
.swatch { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 8px; }
@media print { @page { margin: 14mm; }
  :root { --ink: #1b1f24; --quiet: #4a525c; --line: #cfd5dc; --paper: #fff; --ground: #fff; --accent: #1f6fb4;
    --warn: #8a4b00; --warn-ground: #fff; color-scheme: light; }
  body { font-size: 11px; } main { max-width: none; padding: 0; }
  table, dl, figcaption, .note.quiet { font-size: 10px; }
  section { border: 0; padding: 0; } h2, h3 { break-after: avoid; } tr, figure, .tile { break-inside: avoid; }
  thead { display: table-header-group; } .scroll { overflow: visible; } th, td { padding-right: 10px; }
  .swatch { print-color-adjust: exact; } figure img { max-height: 230mm; }
  details::details-content { content-visibility: visible; block-size: auto; } }
"""

STYLE = _STYLE + "".join(f".s{model} {{ background: {colour}; }}\n" for model, colour in enumerate(COLOURS))
"""Style of a whole page."""
