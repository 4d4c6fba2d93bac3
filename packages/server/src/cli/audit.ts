import type { ExitCode, Streams } from './output.ts';

type Finding = { readonly rule: string; readonly subject: string; readonly detail: string };

const SHOWN = 20;

/** What an audit found, by rule; exit code 1 when it is anything. */
export const tellAudit = (findings: readonly Finding[], asJson: boolean, streams: Streams): ExitCode => {
  const code = findings.length === 0 ? 0 : 1;
  if (asJson) {
    streams.out(`${JSON.stringify({ findings })}\n`);
    return code;
  }
  if (code === 0) streams.out('nothing found\n');
  for (const rule of new Set(findings.map((finding) => finding.rule))) {
    const found = findings.filter((finding) => finding.rule === rule);
    streams.out(`${rule} (${found.length})\n`);
    for (const { subject, detail } of found.slice(0, SHOWN)) streams.out(`  ${subject}: ${detail}\n`);
    if (found.length > SHOWN) streams.out(`  and ${found.length - SHOWN} more: --json has all\n`);
  }
  return code;
};
