import type { Clock } from '../clock.ts';
import type { Lanes } from './lanes.ts';
import type { Maintenance } from './maintenance.ts';
import type { Manual } from './manual.ts';
import type { Memory } from './memory.ts';
import type { OpenDeliveries } from './open-deliveries.ts';
import type { SettleOutcome, Settlement } from './port.ts';

/** What follows from the end of an attempt once it is written, or known to be no longer ours to write. */
export const createOnSettled =
  (deps: {
    readonly clock: Clock;
    readonly lanes: Lanes;
    readonly open: Pick<OpenDeliveries, 'delete'>;
    readonly memory: Memory;
    readonly departed: Maintenance['departed'];
    readonly recordLost: Manual['recordLost'];
    /** There is room again. */
    readonly kick: () => void;
  }) =>
  (settlement: Settlement, outcome: SettleOutcome | 'rejected', wasDoubted: boolean): void => {
    const { clock, lanes, memory } = deps;
    const { delivery, verdict } = settlement;
    deps.open.delete(delivery);
    deps.departed(delivery);
    memory.give(delivery.applicationId, delivery.payload.byteLength);
    const lane = lanes.get(delivery.endpointId);
    if (wasDoubted && lane !== undefined) lane.doubts--;
    if (outcome === 'lost') deps.recordLost(settlement);
    if (delivery.orderKey !== null) {
      lanes.left(delivery, verdict.kind === 'retry' && outcome === 'settled' ? verdict.atMs : clock.nowMs());
    } else if (verdict.kind === 'retry' && outcome !== 'rejected') {
      // A lost one may have been written by a statement whose reply was lost.
      lanes.wake(delivery.endpointId, verdict.atMs, delivery.priority);
    }
    if (wasDoubted && lane !== undefined) lanes.review(lane, clock.nowMs());
    deps.kick();
  };
