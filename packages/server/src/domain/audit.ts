/** What an audit looks for. Each finding is a broken promise or about to become one; none is ordinary operation. */
export const auditRules = [
  /** A message without the delivery that it must have: open, ended, or still to be unfolded. */
  'unaccounted',
  /** An open delivery that has already ended. */
  'doubled',
  /** Work that nobody does, although nothing holds it back. */
  'overdue',
  /** A delivery without its message, endpoint, lane or holder. */
  'orphan',
  /** A partition that nobody owns. */
  'unowned',
] as const;

export type AuditRule = (typeof auditRules)[number];

export type Finding = {
  readonly rule: AuditRule;
  /** What it is about, for programs: ids, or a partition's number. */
  readonly subject: string;
  readonly detail: string;
};
