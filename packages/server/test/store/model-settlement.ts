import type { DispatchStore, ManualSettlement, Settlement } from '../../src/dispatch/port.ts';
import { causeOf } from '../../src/domain/attempt.ts';
import { liveKey, lowerLanes, waiting, fenced, letterInPlace, toNow } from './model-rows.ts';
import type { Run } from './model-run.ts';
import type { AttemptRow, ClosedRow, LiveRow } from './rows.ts';

/** The ends of attempts, in memory. */
export const createModelSettlement = (run: Run): Pick<DispatchStore, 'settle' | 'settleManual'> => {
  const attemptRow = (
    id: string,
    settlement: Settlement | ManualSettlement,
    key: LiveRow | ManualSettlement,
    run: number,
  ) => {
    const { attempt } = settlement;
    const cause = causeOf(attempt.report.result);
    return {
      id,
      messageId: key.messageId,
      endpointId: key.endpointId,
      run,
      status: cause === null ? 0 : 2,
      manual: attempt.trigger === 'manual',
      cause,
    };
  };

  const settle: DispatchStore['settle'] = (node, batch) =>
    run(async (tx) => {
      const passed = new Set<Settlement>();
      const lanes = new Map<string, number>();
      const ends = batch.filter(({ verdict }) => verdict.kind !== 'retry');
      const retries = batch.filter(({ verdict }) => verdict.kind === 'retry');
      for (const settlement of [...ends, ...retries]) {
        const { verdict, delivery, attempt } = settlement;
        if (verdict.kind === 'retry' || delivery.orderKey !== null) {
          const dueMs = verdict.kind === 'retry' ? verdict.atMs : attempt.report.startedAtMs;
          lanes.set(delivery.endpointId, Math.min(lanes.get(delivery.endpointId) ?? Infinity, dueMs));
        }
        const row = await fenced(tx, node, delivery);
        if (row === null) continue;
        passed.add(settlement);
        const { attemptsUsed: attempts, throttled, unknowns, policy } = settlement;
        const next =
          verdict.kind === 'retry'
            ? { ...waiting(row, verdict.atMs), attempts, throttled, unknowns, policy }
            : null;
        tx.write('live', liveKey(row.messageId, row.endpointId), next);
        if (verdict.kind === 'dead') letterInPlace(tx, row, verdict.reason);
        const written: AttemptRow = {
          ...attemptRow(attempt.id, settlement, row, row.run),
          final: verdict.kind === 'retry' ? null : verdict.kind,
          nextMs: verdict.kind === 'retry' ? verdict.atMs : null,
        };
        tx.insert('attempt', attempt.id, written);
      }
      await lowerLanes(tx, lanes);
      return { kind: 'done', outcomes: batch.map((item) => (passed.has(item) ? 'settled' : 'lost')) };
    });

  const settleManual: DispatchStore['settleManual'] = (settlement) =>
    run(async (tx) => {
      const { messageId, endpointId, attempt, succeeded } = settlement;
      const key = liveKey(messageId, endpointId);
      const open = tx.read<LiveRow>('live', key);
      const letters = tx
        .scan<ClosedRow>('closed')
        .filter(([, row]) => row.messageId === messageId && row.endpointId === endpointId);
      let ends = false;
      let isItsTurnOver = false;
      if (succeeded && open !== null && (await tx.lock('live', key)) !== null) {
        tx.write('live', key, null);
        ends = true;
        isItsTurnOver = open.orderKey !== null;
      }
      for (const [name, seen] of letters) {
        if (!succeeded || seen.letter === null || seen.letter === 'replayed') continue;
        const row = await tx.lock<ClosedRow>('closed', name);
        if (row === null || row.letter === 'replayed') continue;
        tx.write('closed', name, { ...row, letter: 'replayed' });
        ends = true;
        isItsTurnOver ||= row.blocks;
      }
      const number = Math.max(0, open?.run ?? 0, ...letters.map(([, row]) => row.run));
      const written: AttemptRow = {
        ...attemptRow(attempt.id, settlement, settlement, number),
        final: ends ? 'succeeded' : null,
        nextMs: null,
      };
      tx.insert('attempt', attempt.id, written);
      if (isItsTurnOver) await lowerLanes(tx, toNow(tx, [endpointId]));
    });

  return {
    settle,
    settleManual,
  };
};
