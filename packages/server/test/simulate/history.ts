import type { Change as RowChange } from '../store/mvcc.ts';
import type { Change } from './plan.ts';

/**
 * Everything that was seen of a run, in its order. Times are milliseconds since its beginning, by the
 * only clock that is never wrong. A process is named by its slot and how often that was started.
 */
export type HistoryEvent =
  /** A producer's request and its answer; `endedMs` null: the connection broke or nobody waited longer. */
  | {
      readonly kind: 'try';
      readonly post: number;
      readonly process: string;
      readonly sentMs: number;
      endedMs: number | null;
      /** acknowledged: it is stored under `messageId`. refused: nothing was written. */
      outcome: 'acknowledged' | 'exists' | 'refused' | 'unknown';
      messageId: string | null;
    }
  /** A change of an endpoint: in force somewhere from `sentMs` on, everywhere from `endedMs` on. */
  | {
      readonly kind: 'change';
      readonly endpointId: string;
      readonly to: Change['to'];
      readonly sentMs: number;
      endedMs: number | null;
      readonly url: string | null;
    }
  | {
      readonly kind: 'commit';
      readonly atMs: number;
      /** When the statement's snapshot was taken, here and by the database's clock. */
      readonly beganMs: number;
      readonly databaseMs: number;
      readonly operation: string;
      readonly process: string | null;
      readonly changes: readonly RowChange[];
    }
  | {
      readonly kind: 'request';
      readonly process: string;
      readonly endpointId: string;
      readonly url: string;
      readonly messageId: string;
      /** What its payload says; null: not the posted bytes. */
      readonly post: number | null;
      /** When the attempt began; connecting may have taken a while since. */
      readonly beganMs: number;
      readonly sentMs: number;
      /** null: it never arrived. */
      arrivedMs: number | null;
      /** The receiver's answer was out, or the connection broke. */
      endedMs: number | null;
      /** The status that the receiver gave, and when the process took it in. */
      status: number | null;
      reportedMs: number | null;
    }
  /** Something done to a process or to all of them (null). */
  | {
      readonly kind: 'fault';
      readonly fault: string;
      readonly process: string | null;
      readonly fromMs: number;
      toMs: number;
    }
  | { readonly kind: 'process'; readonly process: string; readonly node: string; readonly atMs: number }
  | { readonly kind: 'call'; readonly process: string; readonly operation: string; readonly atMs: number }
  /** What must never happen, whatever happens. */
  | { readonly kind: 'broken'; readonly atMs: number; readonly detail: string };

export type EventOf<Kind extends HistoryEvent['kind']> = Extract<HistoryEvent, { kind: Kind }>;

export type History = {
  readonly events: readonly HistoryEvent[];
  readonly add: <Event extends HistoryEvent>(event: Event) => Event;
  readonly of: <Kind extends HistoryEvent['kind']>(kind: Kind) => readonly EventOf<Kind>[];
};

export const createHistory = (): History => {
  const events: HistoryEvent[] = [];
  return {
    events,
    add: (event) => {
      events.push(event);
      return event;
    },
    of: <Kind extends HistoryEvent['kind']>(kind: Kind) =>
      events.filter((event): event is EventOf<Kind> => event.kind === kind),
  };
};
