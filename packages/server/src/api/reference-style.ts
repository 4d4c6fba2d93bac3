/** The style of the reference page, in the page itself: it loads nothing. */
export const style = `
:root{color-scheme:light dark;--line:light-dark(#d8dbe2,#33363f);--soft:light-dark(#f5f6f8,#1d1f25);
--text:light-dark(#1b1d22,#e4e6eb);--dim:light-dark(#5c6370,#9aa1ad);--back:light-dark(#fff,#14161a);
--accent:light-dark(#3450c9,#8ea3ff)}
*{box-sizing:border-box}
html{scroll-padding-top:1rem}
body{margin:0;display:grid;grid-template-columns:18rem minmax(0,1fr);font:15px/1.55 system-ui,sans-serif;
color:var(--text);background:var(--back)}
a{color:var(--accent);text-decoration:none}
a:hover{text-decoration:underline}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:1rem;background:var(--back);padding:.5rem}
nav{position:sticky;top:0;height:100vh;overflow:auto;padding:1.25rem 1rem;border-right:1px solid var(--line);
font-size:14px}
nav h2{border:0;padding:0;font-size:12px;text-transform:uppercase;letter-spacing:.05em;color:var(--dim);margin:1.25rem 0 .25rem}
nav ul{list-style:none;margin:0;padding:0}
nav li a{display:block;padding:.15rem 0;color:var(--text)}
nav li a:hover{color:var(--accent)}
main{padding:2rem clamp(1rem,4vw,3.5rem) 6rem;max-width:62rem;width:100%}
h1{font-size:1.9rem;margin:0 0 .5rem}
h2{font-size:1.4rem;margin:3.5rem 0 .5rem;padding-top:1rem;border-top:1px solid var(--line)}
h3{font-size:1.1rem;margin:0 0 .25rem}
h4{font-size:12px;text-transform:uppercase;letter-spacing:.05em;color:var(--dim);margin:1.25rem 0 .35rem}
section.operation{margin:2rem 0;padding:1.25rem 1.4rem;border:1px solid var(--line);border-radius:10px}
code,pre{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
p code,td code,li code{background:var(--soft);padding:.1em .35em;border-radius:4px}
pre{background:var(--soft);border:1px solid var(--line);border-radius:8px;padding:.8rem 1rem;margin:.35rem 0;
overflow:auto;max-height:34rem;tab-size:2}
.route{display:flex;gap:.6rem;align-items:baseline;flex-wrap:wrap;overflow-wrap:anywhere}
.method{font:600 12px/1.6 ui-monospace,monospace;padding:0 .45rem;border-radius:5px;color:#fff;background:#5c6370}
.GET{background:#1a6f4b}.POST{background:#2f4bc4}.PUT,.PATCH{background:#8a5a00}.DELETE{background:#b3261e}
table{border-collapse:collapse;width:100%;font-size:14px;table-layout:fixed}
th{position:absolute;left:-99rem}
td{border-top:1px solid var(--line);padding:.35rem .75rem .35rem 0;vertical-align:top;overflow-wrap:anywhere}
tr:first-child td{border-top:0}
td:first-child{width:36%}
td:nth-child(2){color:var(--dim);width:26%}
.needed{color:light-dark(#a3400a,#ffab70);font-size:12px}
details{margin:.35rem 0}
summary{cursor:pointer;padding:.25rem 0}
.dim{color:var(--dim)}
@media(max-width:60rem){body{display:block}nav{position:static;height:auto;max-height:40vh;border-right:0;
border-bottom:1px solid var(--line)}}
@media print{nav{display:none}body{display:block}details{display:block}}
`;
