import { CURVE_STYLES } from './charts/curve-chart.ts'

/** Charts that stand alone have plain colours; those of a page change with it. */
const PAGE_CURVE_STYLES = CURVE_STYLES.replaceAll('#23724f', 'var(--s0,#23724f)')
  .replaceAll('#c8501b', 'var(--s2,#c8501b)')
  .replaceAll('#3f6fb5', 'var(--s4,#3f6fb5)')

/** The report's look: light and dark by the reader's own setting, one column on a phone. */
export const STYLES = `
:root{color-scheme:light dark;--page:#fbfbf9;--card:#fff;--ink:#1b211e;--soft:#5b655f;--line:#e2e6e2;
--ground:#f2f4f1;--hit:#23724f;--miss:#c8501b;--bar:#9fb8ab;--good:#1d6b47;--bad:#b0380c}
@media(prefers-color-scheme:dark){:root{--page:#111513;--card:#181d1a;--ink:#e6ebe8;--soft:#9ba7a0;
--line:#2b332f;--ground:#202723;--hit:#5fc79a;--miss:#ff8c57;--bar:#4d6458;--good:#74d3a8;--bad:#ff9a70;--s0:#5fc79a;--s2:#ff8c57;--s4:#8fb4ef}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1180px;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.9rem;line-height:1.2;margin:0;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:0 0 .75rem}
h3{font-size:1rem;margin:1.2rem 0 .5rem}
p{margin:.3rem 0}
.soft{color:var(--soft)}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1.1rem 1.25rem;margin-top:1rem;min-width:0}
.pair{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:0 1rem}
.tiles{display:grid;grid-template-columns:repeat(4,minmax(0,1fr));gap:1rem;margin:1.25rem 0 0}
.tiles div{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.8rem 1rem}
dl,dd{margin:0}
dt{color:var(--soft);font-size:.85rem}
.tiles dd{font-size:1.55rem;font-weight:600;line-height:1.3;font-variant-numeric:tabular-nums}
.tiles dd.note{font-size:.8rem;font-weight:400;color:var(--soft)}
.facts{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.3rem 1.2rem}
.facts dd{overflow-wrap:anywhere}
code,pre{font:.86rem/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{background:var(--ground);border-radius:8px;padding:.7rem .9rem;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere;margin:.9rem 0 0}
ul{margin:0;padding-left:1.2rem}
li{margin:.25rem 0;overflow-wrap:anywhere}
.better,.worse,.even{border-left:4px solid var(--soft)}
.better{border-left-color:var(--good)}
.worse{border-left-color:var(--bad)}
figure{margin:0;overflow-x:auto}
figure+figure,details,.timings{margin-top:1rem}
figcaption{color:var(--soft);font-size:.88rem;margin-bottom:.4rem}
svg{display:block;max-width:100%;height:auto}
.wide svg{max-width:none}
svg text{fill:var(--ink);font-family:inherit}
svg .tick,svg .axis{fill:var(--soft);font-size:12px}
svg .tick[font-size="9.5"]{font-size:9.5px}
svg .tick[font-size="11"]{font-size:11px}
svg .value{font-size:12.5px}
svg .count{font-size:11.5px}
svg .count.strong{fill:var(--card)}
.ground{fill:var(--ground)}
.hit{fill:var(--hit)}
.miss{fill:var(--miss)}
.bar{fill:var(--bar)}
.bar.chosen{fill:var(--hit)}
.quiet{fill:var(--soft);fill-opacity:.45}
.grid{stroke:var(--line)}
.diagonal{stroke:var(--soft);stroke-dasharray:4 4;fill:none}
.curve{stroke:var(--hit);stroke-width:2;fill:none}
.point{fill:var(--hit)}
${PAGE_CURVE_STYLES}
.images{list-style:none;padding:0;display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:1rem}
.images li{font-size:.85rem;margin:0}
.images img{display:block;width:96px;height:96px;border-radius:6px;background:var(--ground)}
summary{cursor:pointer;color:var(--soft)}
.scroll{overflow:auto;max-height:34rem;margin-top:.7rem}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;padding:.32rem .6rem;border-bottom:1px solid var(--line);overflow-wrap:anywhere;vertical-align:top}
thead th{color:var(--soft);font-weight:500;font-size:.85rem;background:var(--card);position:sticky;top:0}
tbody th{font-weight:400}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
thead .n{white-space:normal;overflow-wrap:normal}
.sort{position:absolute;opacity:0}
.sort+label{display:inline-block;border:1px solid var(--line);border-radius:99px;padding:.15rem .7rem;margin:0 .4rem .3rem 0;font-size:.88rem;cursor:pointer}
.sort:checked+label{background:var(--hit);border-color:var(--hit);color:var(--card)}
.sort:focus-visible+label,.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--hit);outline-offset:2px}
.labels,.labels thead,.labels tbody{display:block}
.labels tbody{display:flex;flex-direction:column}
.labels thead{position:sticky;top:0}
.labels tr{display:grid;grid-template-columns:minmax(9rem,1fr) repeat(3,5.2rem) 4.6rem}
@media(max-width:52rem){.pair{grid-template-columns:minmax(0,1fr)}.tiles{grid-template-columns:repeat(2,minmax(0,1fr));gap:.6rem}}
@media(max-width:36rem){main{padding:1.2rem .8rem 3rem}section{padding:.9rem}.facts{grid-template-columns:1fr;gap:0}
.facts dd{margin-bottom:.5rem}.labels{font-size:.82rem}.labels tr{grid-template-columns:minmax(5rem,1fr) repeat(3,3.8rem) 2.4rem}th,td{padding:.3rem .25rem}thead th{font-size:.76rem}}
@page{margin:1.5cm}
@media print{:root{color-scheme:light;--page:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#ccc;--ground:#f2f4f1;--hit:#23724f;--miss:#c8501b;--bar:#9fb8ab;--good:#1d6b47;--bad:#b0380c;--s0:#23724f;--s2:#c8501b;--s4:#3f6fb5}
body{font-size:10pt}main{max-width:none;padding:0}section{padding:.6rem .8rem}.pair{grid-template-columns:repeat(2,minmax(0,1fr))}.tiles{grid-template-columns:repeat(4,minmax(0,1fr))}
.scroll,figure{max-height:none;overflow:visible}svg,.wide svg{max-width:100%;max-height:24cm}figure,tr,li,.tiles div,.even,.better,.worse{break-inside:avoid}h2,h3,figcaption{break-after:avoid}
thead th{position:static}.sort+label,.labels tbody tr{order:0!important}.sort+label,span.soft:has(+.sort){display:none}}
`.trim()
