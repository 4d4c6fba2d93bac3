import type { Finding } from '../domain/audit.ts';
import type { Logger } from './log.ts';

/** What is broken is often broken many times over. */
const LINES = 100;

/** One line for each finding of an audit, and one for those that are too many. */
export const logFindings = (log: Pick<Logger, 'error'>, findings: readonly Finding[]): void => {
  for (const finding of findings.slice(0, LINES)) log.error(finding, 'audit: a promise is broken');
  const more = findings.length - LINES;
  if (more > 0) log.error({ more }, 'audit: more promises are broken; posthorn audit tells of all');
};
