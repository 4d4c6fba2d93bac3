import { createLoop, type Loop } from './loop.ts';
import type { DispatchObserver } from './observer.ts';
import type { DispatchStore } from './port.ts';
import type { Timers } from './timers.ts';

const LOOK_MS = 200;

/** Hears of changes that other nodes made to endpoints of this one, and confirms that it goes by them. */
export const createNotices = (deps: {
  readonly node: string;
  readonly store: Pick<DispatchStore, 'notices' | 'confirmNotices'>;
  readonly timers: Timers;
  /** Resolves when no attempt to the endpoint starts with what was before. */
  readonly onChanged: (endpointId: string) => Promise<void>;
  readonly observe: DispatchObserver;
}): Loop =>
  createLoop({
    timers: deps.timers,
    intervalMs: LOOK_MS,
    task: async () => {
      const notices = await deps.store.notices(deps.node);
      if (notices.length === 0) return;
      await Promise.all(notices.map(({ endpointId }) => deps.onChanged(endpointId)));
      await deps.store.confirmNotices(notices.map(({ id }) => id));
    },
    onError: (error) => deps.observe.trouble('notices', error),
  });
