import { classesAt } from './classes.ts';
import { createLoop, type Loop } from './loop.ts';
import type { DispatchObserver } from './observer.ts';
import type { DispatchStore } from './port.ts';
import type { DispatchSettings } from './settings.ts';
import type { Timers } from './timers.ts';

/**
 * Writes the deliveries of large fan-outs, a chunk of each in turn, the classes in weighted turns. Other nodes' messages are found by looking;
 * for what was accepted here it is kicked.
 */
export const createUnfolder = (deps: {
  readonly node: string;
  readonly store: Pick<DispatchStore, 'unfold'>;
  readonly timers: Timers;
  readonly settings: DispatchSettings;
  readonly isSafe: () => boolean;
  /** The endpoints have work that is due. */
  readonly onUnfolded: (endpointIds: readonly string[]) => void;
  readonly observe: DispatchObserver;
}): Loop => {
  let turn = 0;
  return createLoop({
    timers: deps.timers,
    intervalMs: deps.settings.dueScanMs,
    task: async () => {
      while (deps.isSafe()) {
        const endpointIds = await deps.store.unfold({
          node: deps.node,
          limit: deps.settings.unfoldRows,
          classes: classesAt(turn++),
        });
        if (endpointIds === null) return;
        deps.onUnfolded(endpointIds);
      }
    },
    onError: (error) => deps.observe.trouble('unfold', error),
  });
};
