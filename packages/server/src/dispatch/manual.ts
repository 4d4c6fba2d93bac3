import type { Clock } from '../clock.ts';
import type { AttemptReport } from '../domain/attempt.ts';
import type { EndpointConfig } from '../domain/configuration.ts';
import type { IdSource } from '../domain/ids.ts';
import { outcomeOf } from '../outcome/outcome.ts';
import type { AttemptSubject, DispatchObserver } from './observer.ts';
import { heldKey } from './maintenance.ts';
import type { Attempter, DispatchStore, ManualSettlement, Settlement } from './port.ts';
import { attemptOnce } from './runner.ts';
import type { TimerHandle, Timers } from './timers.ts';

/** A resend by hand: the message as stored, to the endpoint as it is now. */
export type ManualRequest = {
  readonly endpoint: EndpointConfig;
  readonly messageId: string;
  readonly eventType: string;
  readonly channels: readonly string[] | null;
  readonly tags: readonly string[] | null;
  readonly payload: Uint8Array;
  readonly contentType: string;
};

/**
 * sent        One request was made and recorded; `succeeded` says whether it was a 2xx.
 * unrecorded  One request was made; the store refused the record, or was away until the node stopped.
 * busy        Too many manual attempts at once: nothing was sent, try again soon.
 * stopping    The node is leaving: nothing was sent.
 */
export type ManualReply =
  | { readonly kind: 'sent'; readonly succeeded: boolean; readonly report: AttemptReport }
  | { readonly kind: 'unrecorded'; readonly succeeded: boolean; readonly report: AttemptReport }
  | { readonly kind: 'busy' }
  | { readonly kind: 'stopping' };

export type Manual = {
  readonly send: (request: ManualRequest) => Promise<ManualReply>;
  /**
   * A scheduled attempt's result found its delivery gone. Where a resend had ended it meanwhile, the
   * attempt is recorded without effect: every request on the wire is on record.
   */
  readonly recordLost: (settlement: Settlement) => void;
  readonly inFlight: () => number;
  /** Accepts nothing more; resolves when nothing is under way. */
  readonly stop: () => Promise<void>;
  /** Aborts what is in flight and stops repeating records. */
  readonly abort: () => void;
};

const RETRY_MS = 500;
/** Deliveries remembered as ended by hand: more than can be in flight beside their resends. */
const REMEMBERED = 10_000;

export const createManual = (deps: {
  readonly store: Pick<DispatchStore, 'settleManual'>;
  readonly attempt: Attempter;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly timers: Timers;
  readonly maxInFlight: number;
  /** Waits for the endpoint's rate; the result gives the slot back. */
  readonly slot: (endpoint: EndpointConfig, signal: AbortSignal) => Promise<() => void>;
  readonly observe: DispatchObserver;
  readonly onRecorded: (settlement: ManualSettlement) => void;
}): Manual => {
  const { store, timers, observe } = deps;
  const abortion = new AbortController();
  const pauses = new Map<TimerHandle, () => void>();
  let inFlight = 0;
  let isStopping = false;
  const idle: (() => void)[] = [];
  /** Keys of deliveries that a resend has ended or is about to, the oldest first. */
  const endedByHand = new Set<string>();

  const remember = (key: string): void => {
    endedByHand.add(key);
    const oldest = endedByHand.size > REMEMBERED ? endedByHand.values().next().value : undefined;
    if (oldest !== undefined) endedByHand.delete(oldest);
  };

  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      const handle = timers.setTimeout(() => {
        pauses.delete(handle);
        resolve();
      }, RETRY_MS);
      pauses.set(handle, resolve);
    });

  const record = async (settlement: ManualSettlement): Promise<boolean> => {
    for (;;) {
      try {
        await store.settleManual(settlement);
        return true;
      } catch (error) {
        observe.trouble('settle manual', error);
        // Refused data stays refused; an absent database comes back.
        const mayHelp = error instanceof Error && error.name === 'StoreUnavailable';
        if (!mayHelp || abortion.signal.aborted) return false;
        await pause();
        if (abortion.signal.aborted) return false;
      }
    }
  };

  const run = async (request: ManualRequest): Promise<ManualReply> => {
    const { endpoint, messageId, payload, contentType } = request;
    const subject: AttemptSubject = {
      orgId: endpoint.orgId,
      applicationId: endpoint.applicationId,
      endpointId: endpoint.id,
      messageId,
      attemptId: deps.ids('attempt'),
      trigger: 'manual',
    };
    const release = await deps.slot(endpoint, abortion.signal);
    observe.attemptStarted(subject);
    const report = await attemptOnce(deps, {
      endpoint,
      messageId,
      payload,
      contentType,
      signal: abortion.signal,
    });
    release();
    const succeeded = outcomeOf(report.result) === 'succeeded';
    observe.attemptEnded({ ...subject, report, verdict: null, attemptsUsed: 0 });
    const settlement: ManualSettlement = {
      orgId: subject.orgId,
      applicationId: subject.applicationId,
      endpointId: subject.endpointId,
      messageId,
      eventType: request.eventType,
      channels: request.channels,
      tags: request.tags,
      attempt: { id: subject.attemptId, trigger: 'manual', report, url: endpoint.url },
      succeeded,
    };
    // Before it is written: the result of an attempt in flight may find the row gone before we hear of it.
    if (succeeded) remember(heldKey(messageId, endpoint.id));
    const isRecorded = await record(settlement);
    if (isRecorded) deps.onRecorded(settlement);
    return { kind: isRecorded ? 'sent' : 'unrecorded', succeeded, report };
  };

  const counted = async <T>(work: () => Promise<T>): Promise<T> => {
    inFlight++;
    try {
      return await work();
    } finally {
      inFlight--;
      if (inFlight === 0) for (const resolve of idle.splice(0)) resolve();
    }
  };

  return {
    inFlight: () => inFlight,
    send: async (request) => {
      if (isStopping) return { kind: 'stopping' };
      if (inFlight >= deps.maxInFlight) return { kind: 'busy' };
      return counted(() => run(request));
    },
    recordLost: ({ delivery, attempt }) => {
      const { orgId, applicationId, endpointId, messageId, eventType, channels, tags } = delivery;
      if (!endedByHand.has(heldKey(messageId, endpointId))) return;
      const subject = { orgId, applicationId, endpointId, messageId, eventType, channels, tags };
      void counted(() => record({ ...subject, attempt, succeeded: false }));
    },
    stop: () => {
      isStopping = true;
      return inFlight === 0 ? Promise.resolve() : new Promise((resolve) => void idle.push(resolve));
    },
    abort: () => {
      isStopping = true;
      abortion.abort();
      for (const [handle, resolve] of pauses) {
        timers.clearTimeout(handle);
        resolve();
      }
      pauses.clear();
    },
  };
};
