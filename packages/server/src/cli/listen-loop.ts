import type { ClientFrame, ServerFrame } from '../api/listen-protocol.ts';
import type { Forwarded } from './forward.ts';
import { withMark, withSeen, type Cursor } from './listen-cursor.ts';

type EventFrame = Extract<ServerFrame, { kind: 'event' }>;

type Arrived = Exclude<Forwarded, { kind: 'refused' }>;

export type LoopDeps = {
  readonly monotonicMs: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly send: (frame: ClientFrame) => boolean;
  readonly save: (cursor: Cursor) => Promise<void>;
  readonly forward: (event: EventFrame) => Promise<Forwarded>;
  /** Where a listener without a mark begins; null: now. */
  readonly sinceMs: number | null;
  /** Whether to forward what was missed while this program did not run. */
  readonly wantsMissed: (missed: number, more: boolean) => Promise<boolean>;
  readonly on: {
    readonly ready: (missed: number, more: boolean) => void;
    /** Answers whether that is enough: then nothing more is forwarded. */
    readonly forwarded: (event: EventFrame, outcome: Arrived) => boolean;
    readonly gone: (id: string, eventType: string) => void;
    /** Nothing listens locally: true when it begins, false when it is over. */
    readonly holding: (is: boolean) => void;
    readonly stalled: (why: string) => void;
  };
};

export type Loop = {
  readonly opened: () => void;
  readonly take: (frame: ServerFrame) => void;
  /** Takes nothing more; resolves when the event under way is dealt with and the cursor is written. */
  readonly end: () => Promise<void>;
};

/** A signature this old would soon be refused by a receiver that allows five minutes. */
const FRESH_MS = 60_000;
const RETRY_MS = 300;
/** A receiver that broke off is tried again: it may have been restarting. */
const TRIES = 3;

/** Takes one event after the other to the receiver, and remembers each before it confirms it. */
export const createLoop = (initial: Cursor, deps: LoopDeps): Loop => {
  let cursor = initial;
  let isFirst = true;
  let isEnding = false;
  let isHolding = false;
  let queue: { readonly frame: Extract<ServerFrame, { kind: 'event' | 'gone' }>; readonly atMs: number }[] =
    [];
  let working: Promise<void> | null = null;
  /** Grows with each new line: frames of an earlier one come again. */
  let line = 0;

  const save = (next: Cursor): Promise<void> => {
    cursor = next;
    return deps.save(next);
  };

  const hold = (is: boolean): void => {
    if (is !== isHolding) deps.on.holding(is);
    isHolding = is;
  };

  const remember = async (id: string): Promise<void> => {
    await save(withSeen(cursor, id));
    deps.send({ kind: 'done', id });
  };

  /** What came of it once it has arrived or failed for good; null when it has to come again. */
  const deliver = async (frame: EventFrame, receivedMs: number): Promise<Arrived | null> => {
    const from = line;
    for (let tried = 1; ; tried += 1) {
      if (from !== line || isEnding) return null;
      if (deps.monotonicMs() - receivedMs > FRESH_MS) {
        deps.send({ kind: 'again', id: frame.id });
        return null;
      }
      const outcome = await deps.forward(frame);
      if (outcome.kind === 'refused') {
        hold(true);
        tried = 0;
      } else if (outcome.kind === 'answered' || tried >= TRIES) {
        hold(false);
        return outcome;
      }
      await deps.sleep(RETRY_MS);
    }
  };

  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { frame, atMs } = next;
      if (cursor.seen.has(frame.id)) {
        deps.send({ kind: 'done', id: frame.id });
        continue;
      }
      const outcome = frame.kind === 'gone' ? null : await deliver(frame, atMs);
      if (frame.kind === 'event' && outcome === null) continue;
      // Told only once it is remembered: who reads of it does not see it again.
      await remember(frame.id);
      if (frame.kind === 'gone') deps.on.gone(frame.id, frame.eventType);
      else if (outcome !== null) isEnding ||= deps.on.forwarded(frame, outcome);
    }
    working = null;
  };

  const ready = async (missed: number, more: boolean, mark: string): Promise<void> => {
    const from = line;
    const isNew = cursor.mark === null;
    // Only a listener that has been here before can have missed anything; a broken line is no choice.
    const asks = isFirst && !isNew && missed > 0;
    const wanted = !asks || (await deps.wantsMissed(missed, more));
    if (from !== line || isEnding) return;
    if (isNew) await save(withMark(cursor, mark));
    isFirst = false;
    deps.on.ready(wanted ? missed : 0, more);
    deps.send({ kind: 'go', from: wanted ? 'mark' : 'now' });
  };

  return {
    opened: () => {
      line += 1;
      queue = [];
      deps.send({ kind: 'resume', mark: cursor.mark, seen: [...cursor.seen], sinceMs: deps.sinceMs });
    },
    take: (frame) => {
      if (isEnding) return;
      switch (frame.kind) {
        case 'ready':
          void ready(frame.missed, frame.more, frame.mark);
          return;
        case 'event':
        case 'gone':
          queue.push({ frame, atMs: deps.monotonicMs() });
          working ??= work();
          return;
        case 'mark':
          void save(withMark(cursor, frame.mark));
          return;
        case 'stalled':
          return deps.on.stalled(frame.why);
        default:
          return frame satisfies never;
      }
    },
    end: async () => {
      isEnding = true;
      queue = [];
      await working;
      await deps.save(cursor);
    },
  };
};
