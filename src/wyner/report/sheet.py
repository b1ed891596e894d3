"""The style sheet of the page: one column, system fonts, light and dark, narrow screens and
paper.
"""

SHEET = """
:root {
  color-scheme: light dark;
  --ground: #fbfbf9; --card: #ffffff; --ink: #1d2327; --soft: #5b656d; --line: #e2e3df; --accent: #0067a3; --code: #f3f3ef;
  --text: Charter, "Bitstream Charter", "Source Serif 4", "Iowan Old Style", "Palatino Linotype", Georgia, serif;
  --plain: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media screen and (prefers-color-scheme: dark) {
  :root { --ground: #14171a; --card: #1f1f1f; --ink: #e6e7e5; --soft: #a0a8ae; --line: #363b40; --accent: #6cb8ee; --code: #1d2124; }
  img.plot { filter: invert(0.878) hue-rotate(180deg); }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 1.0625rem/1.6 var(--text); }
main, header { max-width: 66rem; margin: 0 auto; padding: 0 1.5rem; }
header { padding-top: 3.5rem; }
main { padding-bottom: 4rem; }

.kind { font: 600 0.8125rem/1 var(--plain); letter-spacing: 0.08em; text-transform: uppercase; color: var(--accent); margin: 0 0 0.9rem; }
h1 { font-size: clamp(1.9rem, 4.5vw, 2.75rem); line-height: 1.15; letter-spacing: -0.015em; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 {
  font-size: 1.6rem; line-height: 1.25; letter-spacing: -0.01em;
  margin: 3.5rem 0 0.75rem; padding-top: 1.5rem; border-top: 1px solid var(--line);
}
h3 { font-size: 1.125rem; margin: 2rem 0 0.5rem; }
p, ul { max-width: 44rem; margin: 0 0 1rem; }
.lead { font-size: 1.1875rem; color: var(--soft); max-width: 48rem; }
.note { font: 0.9375rem/1.5 var(--plain); color: var(--soft); }
a { color: var(--accent); text-underline-offset: 0.2em; }
nav { font: 0.9375rem/1.2 var(--plain); display: flex; flex-wrap: wrap; gap: 0.75rem 1.5rem; margin: 1.75rem 0 0; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }

.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem; margin: 1.5rem 0 2rem; }
.cards { padding: 0; list-style: none; max-width: none; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1.1rem 1.25rem 1.15rem; }
.card { font-family: var(--plain); display: flex; flex-direction: column; }
.card span { font-size: 0.9375rem; line-height: 1.4; color: var(--soft); }
.card .value { font-size: 2.125rem; line-height: 1.2; font-weight: 650; letter-spacing: -0.02em; color: var(--ink); }
.card .value { font-variant-numeric: tabular-nums; margin: 0.35rem 0 0.15rem; }
.card .name { flex: 1; }
.card .reference { margin-top: 0.6rem; padding-top: 0.55rem; border-top: 1px solid var(--line); }
.reference b { color: var(--ink); font-weight: 600; }

.wide { overflow-x: auto; margin: 0.75rem 0 1.5rem; }
table { border-collapse: collapse; width: 100%; font: 0.9375rem/1.45 var(--plain); }
th { text-align: left; font-weight: 600; font-size: 0.8125rem; color: var(--soft); vertical-align: bottom; }
th { border-bottom: 1px solid var(--soft); padding: 0.4rem 1.25rem 0.4rem 0; }
td { border-bottom: 1px solid var(--line); padding: 0.55rem 1.25rem 0.55rem 0; vertical-align: top; overflow-wrap: break-word; }
th:last-child, td:last-child { padding-right: 0; }
td:first-child { min-width: 8rem; }
td:last-child { min-width: 14rem; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.keys td:first-child { white-space: nowrap; color: var(--soft); width: 1%; min-width: 0; }
.keys td:last-child { overflow-wrap: anywhere; }
code, pre { font-family: var(--mono); font-size: 0.8125rem; }
td code { white-space: pre-wrap; }
pre { background: var(--code); border: 1px solid var(--line); border-radius: 8px; padding: 1rem 1.15rem; overflow-x: auto; }
pre { font-size: 0.75rem; line-height: 1.7; margin: 0.75rem 0 1rem; }
pre.wrap { white-space: pre-wrap; overflow-wrap: anywhere; }

.figures { display: flex; flex-wrap: wrap; gap: 1.5rem; margin-top: 1.25rem; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1.1rem 1.25rem; }
figure { flex: 1 1 100%; max-width: 100%; break-inside: avoid; }
figure.panel { flex: 1 1 26rem; display: flex; flex-wrap: wrap; align-content: flex-start; column-gap: 2rem; }
figure.broad { flex: 1 1 100%; }
figure h3 { margin: 0 0 0.75rem; flex: 1 1 100%; }
img { display: block; max-width: 100%; height: auto; align-self: flex-start; }
img.plot { margin: 0 auto; }
figure.panel figcaption { flex: 1 1 18rem; }
figcaption { font: 0.875rem/1.5 var(--plain); color: var(--soft); margin-top: 0.85rem; max-width: 46rem; }
.refusal { flex: 1 1 100%; max-width: none; margin: 0; font: 0.9375rem/1.5 var(--plain); color: var(--soft); }
.refusal { border-left: 3px solid var(--line); padding: 0.2rem 0 0.2rem 0.9rem; }
.refusal b { color: var(--ink); }
details { margin: 0.75rem 0; font-family: var(--plain); font-size: 0.9375rem; }
summary { cursor: pointer; color: var(--accent); }

@media (max-width: 40rem) {
  main, header { padding-left: 1rem; padding-right: 1rem; }
  header { padding-top: 2rem; }
  figure, figure.panel { padding: 0.8rem; flex-basis: 100%; }
  .cards { grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 0.75rem; }
  .card { padding: 0.9rem 1rem; }
  .card .value { font-size: 1.6rem; }
}
@media print {
  :root { --ground: #ffffff; --code: #f7f7f5; }
  body { font-size: 10.5pt; }
  nav { display: none; }
  main, header { max-width: none; padding: 0; }
  h2, h3 { break-after: avoid; }
  figure.panel { flex-basis: 19rem; padding: 0.8rem; }
  figure.broad { flex-basis: 100%; }
  .card, tr, pre { break-inside: avoid; }
  pre { white-space: pre-wrap; }
  .wide { overflow: visible; }
}
"""
"""CSS, as it stands in the page."""
