import type { Verdict } from './attempt.ts';
import type { OrgId } from './ids.ts';

/**
 * Operational events tell an organisation what becomes of its endpoints and messages. They are
 * messages like any other: of a hidden application per organisation, whose uid is that
 * organisation's id and which belongs to this organisation of our own. So no tenant ever lists it.
 * Nothing that happens in it is worth an event itself.
 */
export const operationalOrgId: OrgId = 'org_0000000000000000Operational';

export const operationalEventTypes = [
  'endpoint.created',
  'endpoint.updated',
  'endpoint.deleted',
  'endpoint.disabled',
  'endpoint.enabled',
  'message.attempt.failing',
  'message.attempt.exhausted',
  'message.attempt.recovered',
  'background_task.finished',
] as const;
export type OperationalEventType = (typeof operationalEventTypes)[number];

/** Failures of a run that are worth telling before the schedule is used up. */
export const FAILING_AFTER = 4;

/**
 * What the end of a scheduled attempt is worth, or null. `recovered` is told of what was told of
 * before: after {@link FAILING_AFTER} failures in the run, or, in a later run, if an earlier one has
 * died (whoever has the records must see to that).
 */
export const messageEventOf = ({
  orgId,
  verdict,
  attemptsUsed,
  run,
}: {
  readonly orgId: OrgId;
  readonly verdict: Verdict;
  /** Attempts that counted, this one included. */
  readonly attemptsUsed: number;
  readonly run: number;
}): OperationalEventType | null => {
  if (orgId === operationalOrgId) return null;
  switch (verdict.kind) {
    case 'succeeded':
      return attemptsUsed > FAILING_AFTER || run > 0 ? 'message.attempt.recovered' : null;
    case 'dead':
      return verdict.reason === 'exhausted' ? 'message.attempt.exhausted' : null;
    case 'retry':
      return verdict.countsAsAttempt && attemptsUsed === FAILING_AFTER ? 'message.attempt.failing' : null;
    default:
      return verdict satisfies never;
  }
};
