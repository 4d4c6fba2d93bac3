import type { DispatchStore, HeldDelivery } from '../../src/dispatch/port.ts';
import type { EndpointConfig, Pause } from '../../src/domain/configuration.ts';
import { createModelStore } from '../store/model.ts';
import type { Run } from '../store/model-run.ts';
import { createWorld as createTables, Transaction } from '../store/mvcc.ts';
import type { AttemptRow, LaneRow, LiveRow } from '../store/rows.ts';
import type { SimTimers } from './sim-timers.ts';
import { StoreUnavailable, type Weather } from './weather.ts';

/** The store's model as dispatch sees it over a network with weather: what the storms run on. */
export const createModelDatabase = (timers: SimTimers, weather: { current: Weather }) => {
  const tables = createTables(() => timers.nowMs());
  const wait = (ms: number): Promise<void> => new Promise((resolve) => void timers.setTimeout(resolve, ms));

  const change = (body: (tx: Transaction) => void): void => {
    const tx = new Transaction(tables);
    body(tx);
    tx.end(true);
  };
  const look = <T>(body: (tx: Transaction) => T): T => body(new Transaction(tables));

  /** One call of an operation: its statements travel there and back. */
  const travelling = (operation: keyof DispatchStore, node: string | null): Run => {
    return async (body) => {
      const { thereMs, backMs, fault } = weather.current(operation, node);
      await wait(thereMs);
      if (fault === 'before') throw new StoreUnavailable(`${operation}: no connection`);
      const tx = new Transaction(tables);
      let result: Awaited<ReturnType<typeof body>>;
      try {
        result = await body(tx);
        tx.end(true);
      } catch (error) {
        tx.end(false);
        throw error;
      }
      await wait(backMs);
      if (fault === 'after') throw new StoreUnavailable(`${operation}: connection lost`);
      return result;
    };
  };

  type Operation = keyof DispatchStore;
  const names: readonly Operation[] = [
    'heartbeat',
    'cluster',
    'takeOver',
    'sweep',
    'reconcile',
    'handBack',
    'release',
    'settleManual',
    'poll',
    'pollOrdered',
    'dueLanes',
    'loadLanes',
    'raiseHints',
    'repairHints',
    'saveLane',
    'closeLane',
    'cancelExpired',
    'disableEndpoint',
    'loadEndpoints',
    'loadEventTypePolicies',
    'unfold',
    'notices',
    'confirmNotices',
    'dealShares',
  ];
  const nodeOf = (input: unknown): string | null =>
    typeof input === 'string' ? input : ((input as { node?: string } | undefined)?.node ?? null);
  const through =
    (operation: Operation) =>
    (...input: unknown[]): unknown => {
      const store = createModelStore(travelling(operation, nodeOf(input[0])));
      return (store[operation] as (...args: unknown[]) => unknown)(...input);
    };
  const store = {
    ...Object.fromEntries(names.map((operation) => [operation, through(operation)])),
    settle: async (node, batch) => {
      try {
        return await createModelStore(travelling('settle', node)).settle(node, batch);
      } catch (error) {
        if (error instanceof StoreUnavailable) return { kind: 'unavailable', detail: error.message };
        // A unique key of the attempts: the database refuses the data.
        return { kind: 'rejected', detail: String(error) };
      }
    },
  } as DispatchStore;

  const local = createModelStore((body) => {
    const tx = new Transaction(tables);
    return Promise.resolve(body(tx)).then((result) => {
      tx.end(true);
      return result;
    });
  });

  change((tx) => {
    for (let id = 0; id < 256; id++) {
      tx.insert('partition', String(id).padStart(3, '0'), { id, epoch: 0, node: null, untilMs: -Infinity });
    }
    tx.insert('application', 'app_1', { id: 'app_1', orgId: 'org_1', configVersion: 1 });
  });

  return {
    store,
    addEndpoint: ({ id, applicationId, partition, url, disabled, paused, fifo }: EndpointConfig): void =>
      change((tx) => {
        tx.insert('endpoint', id, { id, applicationId, partition, url, disabled, paused, fifo });
        const nothing = {
          nextDueMs: Infinity,
          version: 0,
          block: null,
          failingSinceMs: null,
          goneSinceMs: null,
        };
        tx.insert('lane', id, { endpointId: id, partition, ...nothing });
      }),
    setDisabled: (id: string, disabled: boolean): void =>
      change((tx) => {
        tx.tryLock('endpoint', id);
        tx.write('endpoint', id, { ...tx.newest('endpoint', id)!, disabled });
      }),
    setPaused: (id: string, paused: Pause | null): void =>
      change((tx) => {
        tx.tryLock('endpoint', id);
        tx.write('endpoint', id, { ...tx.newest('endpoint', id)!, paused });
      }),
    isDisabled: (id: string): boolean =>
      look((tx) => tx.read<{ disabled: boolean }>('endpoint', id)!.disabled),
    isOpen: (key: string): boolean => look((tx) => tx.read('live', key) !== null),
    openCount: (): number => look((tx) => tx.scan<LiveRow>('live').length),
    /** A few of the rows that are open, with their lanes. */
    left: (): readonly object[] =>
      look((tx) =>
        tx
          .scan<LiveRow>('live')
          .slice(0, 3)
          .map(([, row]) => ({ ...row, lane: tx.read('lane', row.endpointId) })),
      ),
    /** Somebody else's transaction has the row of a delivery locked; ends without a change. */
    lock: (key: string): (() => void) => {
      const tx = new Transaction(tables);
      if (!tx.tryLock('live', key)) throw new Error(`${key} is locked`);
      return () => tx.end(false);
    },
    /** When the lane says that something is due; Infinity: it says nothing. */
    hint: (id: string): number => look((tx) => tx.read<LaneRow>('lane', id)!.nextDueMs),
    messageCount: (): number => look((tx) => tx.scan('message').length),
    attempts: (): { readonly key: string; readonly id: string }[] =>
      look((tx) =>
        tx
          .scan<AttemptRow>('attempt')
          .map(([id, row]) => ({ id, key: `${row.messageId} ${row.endpointId}` })),
      ),
    /** Commits one message with one delivery; true when it was stored as held. */
    insert: async (delivery: HeldDelivery, node: string, epoch: number | null): Promise<boolean> => {
      const reply = await local.insertMessages(node, [
        {
          message: {
            id: delivery.messageId,
            orgId: delivery.orgId,
            applicationId: delivery.applicationId,
            eventType: delivery.eventType,
            eventId: null,
            channels: null,
            tags: null,
            payload: delivery.payload,
            contentType: delivery.contentType,
            payloadRetentionHours: 90 * 24,
            occurredAtMs: null,
            deliverAtMs: null,
            expiresAtMs: delivery.expiresAtMs,
            priority: delivery.priority,
            orderingKey: delivery.orderKey === '' ? null : delivery.orderKey,
            createdAtMs: timers.nowMs(),
          },
          configVersion: 1,
          unfoldedBy: null,
          deliveries: [
            {
              endpointId: delivery.endpointId,
              partition: delivery.partition,
              holdEpoch: epoch,
              orderKey: delivery.orderKey,
            },
          ],
          idempotency: null,
        },
      ]);
      const outcome = reply.kind === 'done' ? reply.outcomes[0] : undefined;
      if (outcome?.kind !== 'accepted') throw new Error(`not accepted: ${JSON.stringify(reply)}`);
      return outcome.held.length > 0;
    },
  };
};

export type ModelDatabase = ReturnType<typeof createModelDatabase>;
