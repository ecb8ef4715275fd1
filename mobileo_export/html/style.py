"""How the page looks. Colors are told apart by every kind of color vision (Okabe and Ito)."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--card:#fff;--sunk:#f5f6f8;--ink:#15181e;--soft:#565d6b;
--line:#e2e5ea;--blue:#0072b2;--pink:#a83f7e;--amber:#8a5a00;--green:#00735a;--bad:#c2410c;
--badbg:#fdf1eb;--warnbg:#fff8e6;--warnline:#e0b13c;
--h0:#edf3f8;--h1:#d9e6f1;--h2:#bdd5e8;--h3:#98bedb;--h4:#6ea3ca;--h5:#4885b6;--h6:#2a6499;
--h7:#123f70;
--h8:#e8590c}
@media (prefers-color-scheme:dark){:root{--bg:#101318;--card:#161a21;--sunk:#1c212a;--ink:#eceef2;
--soft:#a3abb9;--line:#2c333e;--blue:#56b4e9;--pink:#e38fc3;--amber:#e9b54a;--green:#4cc9a4;
--bad:#ff8a50;--badbg:#2e1a11;--warnbg:#2a2413;--warnline:#7d6420;
--h0:#1d2632;--h1:#213449;--h2:#274766;--h3:#305d86;--h4:#3f78a8;--h5:#5c97c4;--h6:#8ab9dc;
--h7:#cfe4f3;
--h8:#ff7a33}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 system-ui,-apple-system,
"Segoe UI",
Roboto,"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums;overflow-wrap:anywhere;
-webkit-print-color-adjust:exact;print-color-adjust:exact}
main,body>header,body>footer{max-width:68rem;margin:0 auto;padding:0 1.5rem}
h1,h2,h3,h4,p,figure,dl,dd,ul{margin:0}
ul{padding:0;list-style:none}
h1{font-size:clamp(2rem,5.5vw,3.25rem);line-height:1.08;letter-spacing:-.025em;font-weight:700;
text-wrap:balance}
h2{font-size:1.5rem;line-height:1.2;letter-spacing:-.015em;font-weight:650}
h3{font-size:1.0625rem;font-weight:650}
h4{font-size:.9375rem;font-weight:600}
small,.meta,figcaption,.lead,.legend,.scale,.share,.yaxis,.xaxis,.key,footer{font-size:.8125rem;
color:var(--soft)}
h3 small,h4 small{font-weight:400}
.lead{font-size:.9375rem;max-width:46rem;margin:.4rem 0 1.25rem}
body>header{padding-top:3.5rem}
.eyebrow{font-size:.8125rem;font-weight:600;letter-spacing:.08em;text-transform:uppercase;
color:var(--soft);margin-bottom:.75rem}
.verdict.ok h1 .sign{color:var(--green)}.verdict.bad h1{color:var(--bad)}
.verdict .sub{font-size:1.0625rem;color:var(--soft);max-width:46rem;margin-top:.9rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:1px;
background:var(--line);border:1px solid var(--line);border-radius:12px;overflow:hidden;
margin:2rem 0 0}
.tiles div{background:var(--card);padding:1rem 1.1rem 1.05rem}
.tiles dt,.facts dt{font-size:.8125rem;color:var(--soft)}
.tiles dd{font-size:1.625rem;line-height:1.2;font-weight:650;letter-spacing:-.02em;
margin-top:.15rem}
.tiles dd small{font-size:.8125rem;font-weight:400;letter-spacing:0;display:block;margin-top:.15rem;
line-height:1.35}
.tiles .failed dd,.facts .failed dd{color:var(--bad)}
.panel{border:1px solid;border-left-width:6px;border-radius:10px;padding:1rem 1.25rem;
margin-top:1.25rem}
.panel h2{font-size:1.0625rem;margin-bottom:.35rem}
.panel li{padding:.2rem 0 .2rem 1.4rem;text-indent:-1.4rem}
.panel.bad{background:var(--badbg);border-color:var(--bad)}
.panel.warn{background:var(--warnbg);border-color:var(--warnline)}
.panel li::before{display:inline-block;width:1.4rem;text-indent:0;font-weight:700}
.panel.bad li::before{content:"✕";color:var(--bad)}
.panel.warn li::before{content:"–"}
section{margin-top:4rem}
article{border:1px solid var(--line);border-radius:12px;background:var(--card);
padding:1.1rem 1.25rem 1.25rem;margin-top:1rem}
article>header{display:flex;flex-wrap:wrap;gap:.25rem .9rem;align-items:baseline}
.mark{font-size:.8125rem;font-weight:600;white-space:nowrap}
.mark.ok{color:var(--green)}.mark.bad{color:var(--bad)}
.tag{font-size:.75rem;font-weight:600;padding:.1rem .55rem;border:1px dashed var(--warnline);
border-radius:99px;background:var(--warnbg)}
.problem{color:var(--bad);font-size:.9375rem;font-weight:550;margin:.35rem 0}
.skip{background:var(--warnbg);border-radius:8px;padding:.5rem .8rem;margin-bottom:.8rem;
font-size:.875rem}
.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.25rem;margin-bottom:.6rem}
.legend li{display:flex;align-items:center;gap:.45rem}
.dots{border:1px solid var(--line);border-radius:12px;background:var(--card);padding:.5rem 1.25rem}
.row,.scale{display:grid;grid-template-columns:minmax(8rem,15rem) 1fr 4.5rem;column-gap:1rem;
align-items:center}
.scale{display:block;position:relative;height:1.6rem;margin:0 5.5rem 0 min(16rem,calc(33% + 1rem))}
.scale span{position:absolute;top:.2rem;transform:translateX(-50%);white-space:nowrap}
.group{padding:.5rem 0;border-top:1px solid var(--line)}
.group h3{margin:.35rem 0 .2rem}
.label{font-size:.875rem;line-height:1.3}
.track{background:repeating-linear-gradient(to right,var(--line) 0 1px,transparent 1px
calc((100% - 1px)/var(--d)))}
.lane{display:block;overflow:visible}
.share{text-align:right;white-space:nowrap}
.row.failed .label,.row.failed .share{color:var(--bad);font-weight:600}
.k-circle{color:var(--blue)}.k-diamond{color:var(--pink)}.k-square{color:var(--amber)}
.k-triangle,.k-down{color:var(--green)}.k-token{color:var(--pink)}.k-bar{color:var(--amber)}
.k-bad{color:var(--bad)}.k-ink{color:var(--soft)}
.dot path{fill:currentColor;stroke:var(--card);stroke-width:1}
.dot.k-bad path{fill:none;stroke:currentColor;stroke-width:3}
.room{stroke:currentColor;stroke-width:1;opacity:.45}
.bound{stroke:currentColor;stroke-width:3}
.heats{display:flex;flex-wrap:wrap;gap:.9rem 1.5rem;margin-top:.9rem}
.heat.strip{flex:1 1 18rem;min-width:0}.heat.grid{flex:0 0 7rem}
.heat>svg{display:block}.heat.grid>svg{height:7rem}
.heat figcaption{margin-top:.35rem;line-height:1.35;font-size:.75rem}
.h0{fill:var(--h0);background:var(--h0)}.h1{fill:var(--h1);background:var(--h1)}
.h2{fill:var(--h2);background:var(--h2)}.h3{fill:var(--h3);background:var(--h3)}
.h4{fill:var(--h4);background:var(--h4)}.h5{fill:var(--h5);background:var(--h5)}
.h6{fill:var(--h6);background:var(--h6)}.h7{fill:var(--h7);background:var(--h7)}
.h8{fill:var(--h8);background:var(--h8)}
.halo,.ring{fill:none;stroke:var(--card);stroke-width:5}.ring{stroke:var(--ink);stroke-width:2}
.heat>svg path:not([class]){fill:var(--ink)}
.key{display:flex;flex-wrap:wrap;align-items:center;gap:.3rem .6rem;margin-bottom:.25rem}
.ramp{display:flex}.key i{width:1.25rem;height:.8rem;display:inline-block}
.key .h8{margin-left:.8rem}.key .ringed{border:2px solid var(--ink);margin-left:.8rem;width:.8rem}
.output{margin-top:1.1rem}details .output{border-top:1px solid var(--line);padding-top:1rem}
details{margin-top:1.1rem}
summary{cursor:pointer;font-size:.875rem;color:var(--blue);font-weight:550;width:fit-content}
summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--blue);outline-offset:2px}
.scroll{overflow-x:auto;margin-top:.75rem}
table{border-collapse:collapse;width:100%;font-size:.8125rem;line-height:1.4}
caption{text-align:left;color:var(--soft);padding-bottom:.4rem}
section>.scroll caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
th,td{text-align:left;padding:.4rem 1rem .4rem 0;border-bottom:1px solid var(--line);
vertical-align:top;overflow-wrap:break-word}
th{font-weight:600;white-space:nowrap;color:var(--soft)}
.n{text-align:right;white-space:nowrap}
.none{color:var(--soft)}
code{font:.6875rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;color:var(--soft)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(10rem,45%),1fr));
gap:.75rem 1.5rem;
margin:.9rem 0 1.1rem}
.facts dd{font-size:1.0625rem;font-weight:600}
.pictures{display:grid;grid-template-columns:repeat(3,1fr);gap:1rem;margin-bottom:1.5rem}
.pictures img{display:block;width:100%;height:auto;border-radius:8px;border:1px solid var(--line);
image-rendering:pixelated}
.pictures figcaption{margin-top:.4rem}.pictures b{color:var(--ink)}
.curve{display:grid;grid-template-columns:4.2rem 1fr;margin-top:.6rem}
.yaxis{position:relative}
.yaxis span{position:absolute;right:.6rem;transform:translateY(-50%);white-space:nowrap}
.plot{position:relative;height:14rem}.plot>svg{display:block;overflow:visible}
.plot .grid{stroke:var(--line)}
.plot polyline{fill:none;stroke:currentColor;stroke-width:2;vector-effect:non-scaling-stroke;
stroke-linejoin:round}
.limit{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:5 4}
.limit-note{position:absolute;right:0;transform:translateY(-110%);font-size:.75rem;
background:var(--card);padding:0 .25rem}
.xaxis{grid-column:2;display:flex;padding-top:.45rem}
.xaxis span{flex:1 1 0;display:flex;justify-content:center;width:0;white-space:nowrap;
font-size:.6875rem}
.env{display:grid;grid-template-columns:repeat(auto-fill,minmax(13rem,1fr));gap:.75rem 1.5rem}
.env dt{font-size:.8125rem;color:var(--soft)}
footer{padding-top:3rem!important;padding-bottom:3rem!important}
@media (max-width:44rem){main,body>header,body>footer{padding:0 1rem}body>header{padding-top:2rem}
section{margin-top:3rem}.tiles{grid-template-columns:1fr 1fr}.tiles dd{font-size:1.375rem}
.dots{padding:.5rem 1rem}.row{grid-template-columns:1fr auto;row-gap:.1rem;padding:.25rem 0}
.row .track{grid-column:1/-1;grid-row:2}.scale{margin:0}.scale span:nth-child(even){display:none}
.scale span:first-child{transform:none}.scale span:last-child{transform:translateX(-100%)}
.pictures{grid-template-columns:1fr 1fr}.xaxis span:not(:nth-child(4n+1)){visibility:hidden}
.curve{grid-template-columns:3.6rem 1fr}.plot{height:11rem}}
@media print{:root{color-scheme:light}body{font-size:10.5pt}main,body>header,
body>footer{max-width:none;
padding-left:0;padding-right:0}body>header{padding-top:0}section{margin-top:2rem}
article>header,.output,.pictures,.curve,.row,.tiles,.panel,figure,tr{break-inside:avoid}h2,h3,h4{break-after:avoid}
details:not([open]){display:none}.tiles dd{font-size:1.2rem}.scroll{overflow:visible}}
"""
