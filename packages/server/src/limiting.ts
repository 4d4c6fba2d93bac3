import type { ApiStore } from './api/port.ts';
import { createRequestLimits, type RequestLimits } from './api/request-limits.ts';
import type { Authenticator } from './api/tokens.ts';
import type { Clock } from './clock.ts';
import type { Config } from './config.ts';
import type { DispatchStore } from './dispatch/port.ts';
import type { Metrics } from './observe/metrics.ts';

const LOOK_MS = 1_000;

/** The limits of the configuration, each shared by the nodes that answer: those are counted as a chore. */
export const limitRequests = (deps: {
  readonly config: Pick<Config, 'tokenRate' | 'applicationRate' | 'consumerRate'>;
  readonly authenticator: Authenticator;
  readonly applications: ApiStore['applications'];
  readonly store: Pick<DispatchStore, 'cluster'>;
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, 'limited'>;
}) => {
  const { config, applications, store } = deps;
  let answering = 1;
  const limits: RequestLimits = createRequestLimits({
    limits: { token: config.tokenRate, application: config.applicationRate, consumer: config.consumerRate },
    authenticator: deps.authenticator,
    findApplication: async (orgId, name) => (await applications.find(orgId, name))?.id ?? null,
    nodes: () => answering,
    monotonicMs: deps.clock.monotonicMs,
    onRefused: deps.metrics.limited,
  });
  const count = async (): Promise<void> => {
    const { nodes } = await store.cluster();
    answering = Math.max(1, nodes.filter(({ role }) => role !== 'worker').length);
  };
  return {
    charge: limits.charge,
    routes: limits.isOn ? [limits.route] : [],
    chores: limits.isOn ? [{ name: 'count the nodes that answer', everyMs: LOOK_MS, run: count }] : [],
  };
};
