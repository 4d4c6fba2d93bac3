import type { AttemptReport, AttemptResult } from '../../src/domain/attempt.ts';
import type { Attempter, AttemptRequest } from '../../src/dispatch/port.ts';
import type { SimTimers } from './sim-timers.ts';

export type Behaviour = (request: AttemptRequest) => {
  readonly afterMs: number;
  readonly result: AttemptResult;
};

export const answer = (status: number, retryAfter: string | null = null): AttemptResult => ({
  kind: 'response',
  status,
  retryAfter,
  bodyError: null,
});

/** An attempter whose receivers live in the test; remembers every request. */
export const createReceivers = (timers: SimTimers, behaviour: { current: Behaviour }) => {
  const requests: { messageId: string; endpointId: string; url: string; atMs: number; status: string }[] = [];
  const running = new Map<string, number>();
  const perEndpoint = new Map<string, number>();
  const overlaps: string[] = [];
  const peaks = { total: 0, endpoint: 0 };
  let total = 0;

  const count = (map: Map<string, number>, key: string, by: number): number => {
    const next = (map.get(key) ?? 0) + by;
    map.set(key, next);
    return next;
  };

  const attempt: Attempter = {
    deliver: (request) =>
      new Promise((resolve) => {
        const startedAtMs = timers.nowMs();
        const { afterMs, result } = behaviour.current(request);
        const key = `${request.messageId} ${request.endpoint.id}`;
        const entry = {
          messageId: request.messageId,
          endpointId: request.endpoint.id,
          url: request.endpoint.url,
          atMs: startedAtMs,
          status: 'in flight',
        };
        requests.push(entry);
        if (count(running, key, 1) > 1) overlaps.push(key);
        peaks.endpoint = Math.max(peaks.endpoint, count(perEndpoint, request.endpoint.id, 1));
        peaks.total = Math.max(peaks.total, ++total);
        const end = (final: AttemptResult): void => {
          timers.clearTimeout(timer);
          request.signal?.removeEventListener('abort', onAbort);
          count(running, key, -1);
          count(perEndpoint, request.endpoint.id, -1);
          total--;
          entry.status = final.kind === 'response' ? String(final.status) : final.kind;
          const report: AttemptReport = {
            result: final,
            startedAtMs,
            phases: {
              dnsMs: null,
              connectMs: null,
              tlsMs: null,
              firstByteMs: null,
              totalMs: timers.nowMs() - startedAtMs,
            },
            requestHeaders: `webhook-id: ${request.messageId}\r\n`,
            responseHeaders: `x-answer: ${entry.status}\r\n`,
            responseBody: new Uint8Array(0),
            bodyBytes: request.payload.byteLength,
            peer: '192.0.2.1:443',
          };
          resolve(report);
        };
        const onAbort = (): void => end({ kind: 'network', code: 'aborted' });
        const timer = timers.setTimeout(() => end(result), afterMs);
        if (request.signal?.aborted === true) onAbort();
        else request.signal?.addEventListener('abort', onAbort);
      }),
  };
  return { attempt, requests, overlaps, peaks, inFlight: () => total };
};
