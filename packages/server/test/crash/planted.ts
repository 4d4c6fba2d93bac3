import pg from 'pg';
import type { Decorate, Say } from './points.ts';

type Around = { readonly databaseUrl: string; readonly say: Say };

/** Bugs, each put into one part of the real server, to show that the checker finds what they do. */
export const planted = {
  /** 202 first, the insert some time later. */
  'ack-before-commit': (): Decorate => ({
    ingestStore: (store) => ({
      ...store,
      insertMessages: (node, batch) => {
        setTimeout(() => void store.insertMessages(node, batch.map(waiting)), 1_000);
        return Promise.resolve({ kind: 'done', outcomes: batch.map(() => ({ kind: 'accepted', held: [] })) });
      },
    }),
  }),
  /** Every tenth settle statement is not sent and said to be done. */
  'settle-forgotten': (): Decorate => {
    let calls = 0;
    return {
      dispatchStore: (store) => ({
        ...store,
        settle: (node, batch) => {
          calls++;
          if (calls % 10 !== 0) return store.settle(node, batch);
          return Promise.resolve({ kind: 'done', outcomes: batch.map(() => 'settled' as const) });
        },
      }),
    };
  },
  /** A success that is kept for a retry, once in a while. */
  'retry-after-success': (): Decorate => {
    let verdicts = 0;
    return {
      dispatchStore: (store) => ({
        ...store,
        settle: (node, batch) =>
          store.settle(
            node,
            batch.map((one) =>
              one.verdict.kind === 'succeeded' && ++verdicts % 20 === 0
                ? {
                    ...one,
                    verdict: {
                      kind: 'retry',
                      atMs: one.attempt.report.startedAtMs + 500,
                      countsAsAttempt: true,
                    },
                  }
                : one,
            ),
          ),
      }),
    };
  },
  /** Settles whatever token is on the row: puts its own there first. */
  'settle-unfenced': ({ databaseUrl, say }: Around): Decorate => ({
    dispatchStore: (store) => ({
      ...store,
      settle: async (node, batch) => {
        const client = new pg.Client({ connectionString: databaseUrl });
        await client.connect();
        let stolen = 0;
        for (const { delivery } of batch) {
          const { rowCount } = await client.query(
            `update live set node = $3, epoch = $4
              where msg_id = $1 and endpoint_id = $2 and state = 'held' and node <> $3`,
            [delivery.messageId, delivery.endpointId, node, delivery.epoch],
          );
          stolen += rowCount ?? 0;
        }
        await client.end();
        const reply = await store.settle(node, batch);
        if (stolen > 0) say('stolen', stolen);
        return reply;
      },
    }),
  }),
  /**
   * An insert that was cut off counts as done and as held: answered with 202 and delivered from memory. Around
   * midnight it is a transaction, and one that is cut off before its COMMIT is known not to be written.
   */
  'cut-off-is-done': (): Decorate => ({
    ingestStore: (store) => ({
      ...store,
      insertMessages: async (node, batch) => {
        const reply = await store.insertMessages(node, batch);
        if (reply.kind !== 'unknown' && reply.kind !== 'unavailable') return reply;
        const held = batch.map((item) => item.deliveries.map((delivery) => delivery.endpointId));
        return {
          kind: 'done',
          outcomes: held.map((endpointIds) => ({ kind: 'accepted', held: endpointIds })),
        };
      },
    }),
  }),
} as const;

export type PlantedBug = keyof typeof planted;

export const isPlanted = (name: string): name is PlantedBug => Object.hasOwn(planted, name);

export const parsePlanted = (name: string, around: Around): Decorate => {
  if (!isPlanted(name)) throw new Error(`No planted bug: ${name}`);
  return planted[name](around);
};

type Insert = Parameters<Parameters<NonNullable<Decorate['ingestStore']>>[0]['insertMessages']>[1][number];

const waiting = (item: Insert): Insert => ({
  ...item,
  deliveries: item.deliveries.map((delivery) => ({ ...delivery, holdEpoch: null })),
});
