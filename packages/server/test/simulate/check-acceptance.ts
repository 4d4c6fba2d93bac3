import type { LiveRow, MessageRow } from '../store/rows.ts';
import type { Rule, Violation } from './check.ts';
import { createConfiguration } from './configuration.ts';
import { endpointId } from './operators.ts';
import { postOf } from './payload.ts';
import type { RunResult } from './run.ts';

/** What was acknowledged is stored, once, as posted, for whom it was meant. */
export const checkAcceptance = ({ history, plan }: RunResult): Violation[] => {
  const found: Violation[] = [];
  const add = (rule: Rule, atMs: number, detail: string): void => void found.push({ rule, atMs, detail });
  const configuration = createConfiguration(plan, history.of('change'));
  const posts = new Map<string, number | null>();
  const messages = new Map<number, string[]>();

  for (const commit of history.of('commit')) {
    for (const { table, key, before, after } of commit.changes) {
      if (table !== 'message' || before !== null) continue;
      const { payload, eventType, applicationId } = after as MessageRow;
      const post = postOf(payload);
      posts.set(key, post);
      if (post === null) {
        add('altered', commit.atMs, `${key} is stored with other bytes than posted`);
        continue;
      }
      const ids = messages.get(post) ?? [];
      messages.set(post, [...ids, key]);
      const planned = new Set(
        commit.changes.flatMap(({ table: other, after: row }) =>
          other === 'live' && (row as LiveRow | null)?.messageId === key ? [(row as LiveRow).endpointId] : [],
        ),
      );
      plan.endpoints.forEach((_, index) => {
        const id = endpointId(index);
        const known = configuration(id, commit.beganMs, commit.atMs);
        const wants =
          known.applicationId === applicationId &&
          (known.eventTypes === null || known.eventTypes.includes(eventType));
        const isSurelyOn = wants && known.exists === true && known.disabled === false;
        const isSurelyOff = !wants || known.exists === false || known.disabled === true;
        if (isSurelyOn && !planned.has(id))
          add('fan-out', commit.atMs, `${key} (post ${post}) is not for ${id}`);
        if (isSurelyOff && planned.has(id)) add('fan-out', commit.atMs, `${key} (post ${post}) is for ${id}`);
      });
    }
  }

  for (const [post, ids] of messages) {
    if (ids.length > 1) add('doubled', Infinity, `post ${post} is ${ids.join(' and ')}`);
  }
  for (const { post, outcome, messageId, endedMs } of history.of('try')) {
    if (outcome === 'acknowledged' && posts.get(messageId!) !== post) {
      const what = posts.has(messageId!) ? `is post ${String(posts.get(messageId!))}` : 'is not stored';
      add('lost', endedMs!, `post ${post} was answered with ${String(messageId)}, which ${what}`);
    }
    if (outcome === 'exists' && !messages.has(post)) {
      add('lost', endedMs!, `post ${post} was said to exist and is not stored`);
    }
  }
  return found;
};
