import type { NoticeBoard } from '../../src/api/port.ts';
import type { DispatchStore } from '../../src/dispatch/port.ts';
import type { IngestStore } from '../../src/ingest/port.ts';
import { StoreRejected, StoreUnavailable } from '../../src/store/failure.ts';
import { createModelStore } from '../store/model.ts';
import type { Run } from '../store/model-run.ts';
import { createWorld, Transaction } from '../store/mvcc.ts';
import { between, type Chance } from './chance.ts';
import { createEndpointApi, createNoticeModel, type EndpointApi } from './endpoint-api.ts';
import type { History } from './history.ts';
import type { VirtualTime } from './virtual-time.ts';

/** The database's clock at the beginning of a run, Unix milliseconds: noon of a day. */
export const EPOCH_MS = Date.UTC(2030, 0, 1, 12);
/** What a statement may take before the database cancels it. */
export const STATEMENT_MS = 1_000;

/** A process as its connection sees it. */
export type Client = {
  readonly name: string;
  readonly chance: (name: string) => Chance;
  /** How often the network between it and the database was cut; odd: it is. */
  readonly cuts: () => number;
  /** Runs inside the process: later if it sleeps, never if it is dead. */
  readonly enter: (run: () => void) => void;
  /** Counts an effect: the process may end before it, or with it. */
  readonly effect: () => 'goes on' | 'is dead' | 'ends with it';
  readonly end: () => void;
};

/** Shares of statements that something happens to. */
export type Weather = { readonly slow: number; readonly canceled: number; readonly lost: number };

export type StoreClient = {
  readonly store: IngestStore & DispatchStore;
  readonly notices: NoticeBoard;
  readonly endpoints: EndpointApi;
};

export type SimulatedDatabase = {
  readonly connect: (client: Client) => StoreClient;
  readonly look: <T>(body: (tx: Transaction) => T) => T;
  readonly change: (body: (tx: Transaction) => void) => void;
  readonly setWeather: (weather: Weather | null) => void;
  readonly jump: (byMs: number) => void;
  /** Ends all transactions that are open; nothing answers until `isUp` again. */
  readonly setUp: (isUp: boolean) => void;
};

const RECORDED = new Set(['message', 'live', 'attempt', 'closed', 'partition', 'endpoint']);

const unavailable = (kind: 'unavailable' | 'unknown', detail: string): StoreUnavailable =>
  new StoreUnavailable({ kind, code: null, detail });

/** The store's model behind a network, for processes that may die at any statement. */
export const createDatabase = (time: VirtualTime, history: History): SimulatedDatabase => {
  let skewMs = 0;
  let isUp = true;
  let notices = 0;
  let weather: Weather | null = null;
  const open = new Set<Transaction>();
  const tables = createWorld(() => EPOCH_MS + time.nowMs() + skewMs);

  const commit = (tx: Transaction, operation: string, process: string | null, beganMs: number): void => {
    const changes = tx.changes().filter(({ table }) => RECORDED.has(table));
    tx.end(true);
    if (changes.length === 0) return;
    history.add({
      kind: 'commit',
      atMs: time.nowMs(),
      beganMs,
      databaseMs: tx.nowMs,
      operation,
      process,
      changes,
    });
  };

  type Fate = 'done' | 'refused' | 'canceled' | 'lost' | 'abandoned';

  const fateOf = (chance: Chance): Fate => {
    if (weather === null) return 'done';
    const roll = chance();
    if (roll < weather.canceled) return chance() < 0.5 ? 'refused' : 'canceled';
    if (roll < weather.canceled + weather.lost) return chance() < 0.5 ? 'lost' : 'abandoned';
    return 'done';
  };
  const travelMs = (chance: Chance): number =>
    weather !== null && chance() < weather.slow ? between(chance, 20, 600) : between(chance, 0.2, 3);
  const holdMs = (chance: Chance, fate: Fate): number => {
    if (fate === 'abandoned') return between(chance, 0, STATEMENT_MS - 50);
    const isSlow = chance() < (weather === null ? 0.01 : 0.05 + weather.slow);
    return isSlow ? between(chance, 1, 250) : 0;
  };

  /** One statement of a client: on its way, run, held open, committed, answered. */
  const statement =
    (client: Client, operation: string): Run =>
    <Result>(body: (tx: Transaction) => Promise<Result> | Result): Promise<Result> =>
      new Promise<Result>((resolve, reject) => {
        const effect = client.effect();
        if (effect === 'is dead') return;
        history.add({ kind: 'call', process: client.name, operation, atMs: time.nowMs() });
        const chance = client.chance(operation);
        const fate = fateOf(chance);
        const cuts = client.cuts();
        const isCut = (): boolean => client.cuts() !== cuts || cuts % 2 === 1;
        const fail = (error: Error, afterMs: number): void => {
          time.after(afterMs, () => client.enter(() => reject(error)));
        };
        if (isCut() || !isUp || fate === 'refused') {
          if (effect === 'ends with it') client.end();
          fail(unavailable('unavailable', 'no connection'), between(chance, 1, 200));
          return;
        }
        const answer = (done: () => void): void => {
          if (effect === 'ends with it') client.end();
          else if (fate === 'abandoned') return;
          else if (isCut() || fate === 'lost')
            fail(unavailable('unknown', 'no reply'), between(chance, 1, 300));
          else time.after(travelMs(chance), () => (isCut() ? answer(done) : client.enter(done)));
        };
        const begin = (): void => {
          if (isCut() || !isUp) {
            if (effect === 'ends with it') client.end();
            else if (fate !== 'abandoned')
              fail(unavailable('unknown', 'connection lost'), between(chance, 1, 200));
            return;
          }
          const beganMs = time.nowMs();
          const tx = new Transaction(tables);
          open.add(tx);
          const refuse = (error: Error): void => {
            open.delete(tx);
            tx.end(false);
            answer(() => reject(error));
          };
          const canceled = unavailable('unavailable', 'canceled');
          const limit = time.after(STATEMENT_MS, () => refuse(canceled));
          const end = (result: Result): void => {
            if (!open.has(tx)) return;
            time.cancel(limit);
            if (fate === 'canceled') return refuse(canceled);
            open.delete(tx);
            commit(tx, operation, client.name, beganMs);
            answer(() => resolve(result));
          };
          const run = async (): Promise<void> => {
            try {
              const result = await body(tx);
              const ms = holdMs(chance, fate);
              if (ms === 0) end(result);
              else time.after(ms, () => end(result));
            } catch (error) {
              // What was canceled finds its transaction gone.
              if (!open.has(tx)) return;
              time.cancel(limit);
              // Where nobody waits for it any more, a key that exists already stops what was repeated since.
              if (fate !== 'abandoned') {
                history.add({ kind: 'broken', atMs: time.nowMs(), detail: `${operation}: ${String(error)}` });
              }
              refuse(new StoreRejected({ kind: 'rejected', code: null, detail: String(error) }));
            }
          };
          void run();
        };
        time.after(travelMs(chance), begin);
        // The client gives up on its connection; what it had sent goes on without it.
        if (fate === 'abandoned') fail(unavailable('unknown', 'connection lost'), between(chance, 1, 50));
      });

  const connect = (client: Client): StoreClient => {
    const stores = new Map<string, IngestStore & DispatchStore>();
    const storeOf = (operation: string): IngestStore & DispatchStore => {
      let store = stores.get(operation);
      if (store === undefined)
        stores.set(operation, (store = createModelStore(statement(client, operation))));
      return store;
    };
    const names = Object.keys(storeOf('names')) as (keyof (IngestStore & DispatchStore))[];
    const plain = Object.fromEntries(
      names.map((operation) => [operation, storeOf(operation)[operation]]),
    ) as IngestStore & DispatchStore;
    const store: IngestStore & DispatchStore = {
      ...plain,
      insertMessages: async (node, batch) => {
        try {
          return await storeOf('insertMessages').insertMessages(node, batch);
        } catch (error) {
          if (error instanceof StoreUnavailable || error instanceof StoreRejected) {
            return { kind: error.failure.kind, detail: error.message };
          }
          throw error;
        }
      },
      settle: async (node, batch) => {
        try {
          return await storeOf('settle').settle(node, batch);
        } catch (error) {
          const kind = error instanceof StoreRejected ? 'rejected' : 'unavailable';
          return { kind, detail: String(error) };
        }
      },
    };
    return {
      store,
      notices: createNoticeModel(
        (operation) => statement(client, operation),
        () => ++notices,
      ),
      endpoints: createEndpointApi((operation) => statement(client, operation)),
    };
  };

  return {
    connect,
    look: (body) => {
      const tx = new Transaction(tables);
      const result = body(tx);
      tx.end(false);
      return result;
    },
    change: (body) => {
      const tx = new Transaction(tables);
      body(tx);
      commit(tx, 'setup', null, time.nowMs());
    },
    setWeather: (next) => {
      weather = next;
    },
    jump: (byMs) => {
      skewMs += byMs;
    },
    setUp: (next) => {
      isUp = next;
      if (isUp) return;
      for (const tx of open) tx.end(false);
      open.clear();
    },
  };
};
