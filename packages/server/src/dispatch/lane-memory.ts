import type { Lane } from './lane.ts';
import type { DispatchStore, LaneBlock } from './port.ts';

/**
 * Shorter blocks are not remembered across restarts: forgetting a pause of seconds costs one request,
 * remembering it would cost two statements for every busy receiver's every 503.
 */
export const REMEMBERED_BLOCK_MS = 5_000;
const AT_ONCE = 4;

const worthKeeping = (block: LaneBlock | null, nowMs: number): LaneBlock | null =>
  block !== null && block.untilMs - nowMs > REMEMBERED_BLOCK_MS ? block : null;

const isSaved = (lane: Lane, block: LaneBlock | null): boolean =>
  lane.savedBlock?.untilMs === block?.untilMs &&
  lane.savedBlock?.reason === block?.reason &&
  lane.savedHealth.failingSinceMs === lane.health.failingSinceMs &&
  lane.savedHealth.goneSinceMs === lane.health.goneSinceMs;

/**
 * Writes what changed about lanes since it was last written; a change that was undone meanwhile
 * costs nothing. Rejects when the store is away; the rest stays marked.
 */
export const saveLanes = async (
  lanes: Iterable<Lane>,
  store: Pick<DispatchStore, 'saveLane'>,
  node: string,
  nowMs: number,
): Promise<void> => {
  const save = async (lane: Lane, epoch: number): Promise<void> => {
    const { health, partition } = lane;
    const block = worthKeeping(lane.block, nowMs);
    lane.isDirty = false;
    if (isSaved(lane, block) || lane.isDeleted) return;
    try {
      await store.saveLane({
        node,
        partition,
        epoch,
        endpointId: lane.endpointId,
        block,
        failingSinceMs: health.failingSinceMs,
        goneSinceMs: health.goneSinceMs,
      });
    } catch (error) {
      lane.isDirty = true;
      throw error;
    }
    lane.savedBlock = block;
    lane.savedHealth = health;
  };
  let batch: Promise<void>[] = [];
  for (const lane of lanes) {
    if (!lane.isDirty || lane.tenure === null || !lane.isRowKnown) continue;
    batch.push(save(lane, lane.tenure.epoch));
    if (batch.length < AT_ONCE) continue;
    await Promise.all(batch);
    batch = [];
  }
  await Promise.all(batch);
};
