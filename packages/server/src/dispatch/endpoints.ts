import type { Clock } from '../clock.ts';
import type { EndpointConfig } from '../domain/configuration.ts';
import { healthy } from '../outcome/endpoint-health.ts';
import { createBatcher } from './batcher.ts';
import { restart } from './controller.ts';
import { controllerOf, pausedUntilMs, type Lane } from './lane.ts';
import type { DispatchObserver } from './observer.ts';
import type { DispatchStore } from './port.ts';
import type { Timers } from './timers.ts';

/** Keeps the configuration of the endpoints in use current. */
export type Endpoints = {
  /** Loads it again; what is known stays in use until then. */
  readonly want: (lane: Lane) => void;
  /** What is known is wrong: nothing starts with it any more. Resolves when the new is in use. */
  readonly invalidate: (lane: Lane) => Promise<void>;
  /** Something changed: answers that are under way may be older than that and are asked for again. */
  readonly distrust: () => void;
  readonly stop: () => void;
};

const ENDPOINTS_PER_STATEMENT = 500;

export const createEndpoints = (deps: {
  readonly store: Pick<DispatchStore, 'loadEndpoints'>;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly observe: DispatchObserver;
  /** The lane has another configuration than before; null when the endpoint is gone. */
  readonly onChanged: (lane: Lane) => void;
  /** The first configuration of the lane was read. */
  readonly onFirst: (lane: Lane) => void;
  /** Disabled or paused: what is queued belongs in the store. */
  readonly onStopped: (lane: Lane) => void;
  readonly onDeleted: (lane: Lane) => void;
}): Endpoints => {
  const { clock, observe } = deps;

  let generation = 0;

  const adopt = (lane: Lane, endpoint: EndpointConfig, loadedAtMs: number): void => {
    const before = lane.endpoint;
    const isFirst = lane.lastUrl === null;
    lane.endpoint = endpoint;
    lane.applicationId = endpoint.applicationId;
    lane.endpointAtMs = loadedAtMs;
    // Somebody repaired it: what was remembered of the old one says nothing about the new one.
    const isEnabled = lane.wasDisabled && !endpoint.disabled;
    const isElsewhere = lane.lastUrl !== null && lane.lastUrl !== endpoint.url;
    lane.wasDisabled = endpoint.disabled;
    lane.lastUrl = endpoint.url;
    if (isEnabled || isElsewhere) {
      lane.block = null;
      lane.health = healthy;
      lane.controller = null;
      restart(controllerOf(lane));
      lane.isDirty = true;
    }
    if (isFirst) deps.onFirst(lane);
    const isPaused = pausedUntilMs(endpoint) > clock.nowMs();
    const isNews = before === null || isEnabled || isElsewhere || isPaused !== lane.wasPaused;
    if (endpoint.disabled || isPaused) deps.onStopped(lane);
    if (!endpoint.disabled && isNews) deps.onChanged(lane);
  };

  const ask = async (batch: readonly Lane[]): Promise<void> => {
    const ours = batch.filter((lane) => lane.tenure !== null);
    for (const lane of batch) lane.isEndpointWanted = false;
    if (ours.length === 0) return;
    const askedAtMs = clock.monotonicMs();
    const askedIn = generation;
    const loaded = await deps.store.loadEndpoints(ours.map((lane) => lane.endpointId));
    const byId = new Map(loaded.map((endpoint) => [endpoint.id, endpoint]));
    for (const lane of ours) {
      if (askedIn !== generation) want(lane);
      if (lane.tenure === null || lane.isEndpointWanted) continue;
      const endpoint = byId.get(lane.endpointId);
      if (endpoint === undefined) {
        lane.isDeleted = true;
        lane.endpoint = null;
        deps.onDeleted(lane);
      } else {
        adopt(lane, endpoint, askedAtMs);
      }
      for (const done of lane.endpointWaiters ?? []) done();
      lane.endpointWaiters = null;
    }
  };

  const batcher = createBatcher<Lane>({
    timers: deps.timers,
    limit: ENDPOINTS_PER_STATEMENT,
    ask,
    onError: (error) => observe.trouble('load endpoints', error),
  });

  const want = (lane: Lane): void => {
    if (lane.isEndpointWanted || lane.isDeleted) return;
    lane.isEndpointWanted = true;
    batcher.add(lane);
  };

  return {
    want,
    stop: batcher.stop,
    distrust: () => {
      generation++;
    },
    invalidate: (lane) =>
      new Promise((resolve) => {
        if (lane.tenure === null || lane.isDeleted) {
          resolve();
          return;
        }
        lane.endpoint = null;
        (lane.endpointWaiters ??= []).push(resolve);
        want(lane);
      }),
  };
};
