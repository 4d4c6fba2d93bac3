import { randomBytes } from 'node:crypto';
import { createIdSource } from '../../src/domain/ids.ts';
import type {
  AttemptRecord,
  HeldDelivery,
  LaneState,
  OrderedPoll,
  OwnedPartition,
} from '../../src/dispatch/port.ts';
import type { Claim } from '../../src/dispatch/share.ts';
import type { InsertReply, MessageInsert } from '../../src/ingest/port.ts';
import { report } from './attempt-report.ts';
import { APP, ENDPOINTS, ORG } from './engine.ts';
import { orderedPoll, orderingKeyOf, orderKeyOf, type Call, type Item } from './ordered-poll.ts';
import { timeClass } from './state.ts';
import type { Moment, Step } from './step.ts';
import { LATER_MS, verdictOf } from './step.ts';

export const NODES = [
  '00000000-0000-4000-8000-00000000000a',
  '00000000-0000-4000-8000-00000000000b',
] as const;
const LEASE_MS = 3_600_000;
const POLICY = { kind: 'list', waitsSeconds: [1, 5] } as const;
const BLOCK = { reason: 'retry_after', untilMs: 0 } as const;

/** What the callers of the store believe: the memory of the nodes, shared by all engines. */
type Belief = {
  readonly epochs: Map<number, number>[];
  readonly memory: Set<string>[];
  lanes: readonly LaneState[];
};

export type Options = {
  /** A bug of a caller: an accept whose reply was lost is believed to be in memory. */
  readonly remembersLostAccepts?: boolean;
};

/**
 * Turns steps into calls, the same for every engine, and keeps what the callers learn from answers.
 *
 * @param configVersion What a loader of the configuration would see now.
 */
export const createCalls = (startMs: number, options: Options, configVersion: () => Promise<number>) => {
  // By the real clock: the store refuses keys under ids that are minutes old.
  const newId = createIdSource(Date.now, randomBytes);
  let counter = 0;
  const belief: Belief = { epochs: [new Map(), new Map()], memory: [new Set(), new Set()], lanes: [] };
  const remembered = [new Set<string>(), new Set<string>()];
  const orders = new Map<string, string>();
  const pairs: { readonly messageId: string; readonly endpointId: string }[] = [];

  /** A node has them in its memory now. */
  const hold = (node: number, deliveries: readonly HeldDelivery[]): void => {
    for (const { messageId, endpointId } of deliveries) {
      belief.memory[node]!.add(`${messageId} ${endpointId}`);
      remembered[node]!.add(`${messageId} ${endpointId}`);
    }
  };

  const pairOf = (pick: number) =>
    pairs.length === 0 ? undefined : pairs[(pairs.length - 1 - pick + 8 * pairs.length) % pairs.length];
  const partitionOf = (endpointId: string): number => ENDPOINTS.indexOf(endpointId as 'ep_a');
  const epochOf = (node: number, partition: number): number => belief.epochs[node]!.get(partition) ?? 999;

  const heldOf = (node: number, pair: { messageId: string; endpointId: string }): HeldDelivery => ({
    ...pair,
    orgId: ORG,
    applicationId: APP,
    partition: partitionOf(pair.endpointId),
    epoch: epochOf(node, partitionOf(pair.endpointId)),
    priority: 1,
    orderKey: orders.get(`${pair.messageId} ${pair.endpointId}`) ?? null,
    expiresAtMs: null,
    attemptsUsed: 0,
    throttled: 0,
    unknowns: 0,
    run: 0,
    policy: null,
    eventType: 'a.b',
    channels: null,
    tags: ['t'],
    payload: new Uint8Array(),
    contentType: 'application/json',
    openSlot: null,
  });

  const attempt = (status: number, trigger: AttemptRecord['trigger']): AttemptRecord => ({
    id: newId('attempt'),
    trigger,
    report: report(status, startMs),
    url: 'https://receiver.test/',
  });

  const momentOf = (name: Moment | undefined): number | null =>
    name === undefined ? null : startMs + (name === 'past' ? -1000 : LATER_MS);

  const insertOf = (node: number, item: Item, version: number): MessageInsert => {
    const id = newId('message');
    counter++;
    return {
      unfoldedBy: item.unfoldedBy,
      configVersion: item.stale ? version + 1000 : version,
      idempotency:
        item.key === null ? null : { scope: 's', key: `k${item.key}`, requestHash: `h${item.hash}` },
      message: {
        id,
        orgId: ORG,
        applicationId: APP,
        eventType: 'a.b',
        eventId: item.event === null ? null : `e${item.event}`,
        channels: ['c "1"', 'd'],
        tags: null,
        payload: Buffer.from(`{"n":${counter}}`),
        contentType: 'application/json',
        payloadRetentionHours: 90 * 24,
        occurredAtMs: null,
        deliverAtMs: momentOf(item.deliver),
        expiresAtMs: momentOf(item.expires),
        priority: item.priority ?? 1,
        orderingKey: orderingKeyOf(item),
        createdAtMs: startMs,
      },
      deliveries: item.endpoints.map((index) => ({
        endpointId: ENDPOINTS[index]!,
        partition: index,
        // What has an order is never stored as held.
        holdEpoch: item.hold && orderKeyOf(item, ENDPOINTS[index]!) === null ? epochOf(node, index) : null,
        orderKey: orderKeyOf(item, ENDPOINTS[index]!),
      })),
    };
  };

  const freshIds = (): string[] => Array.from({ length: 60 }, () => newId('attempt'));

  /** The call of a step, the same for every engine, and what its answer does to the callers' belief. */
  const prepare = async (step: Step): Promise<{ call: Call; learn?: (answer: unknown) => void } | null> => {
    switch (step.op) {
      case 'accept': {
        const version = await configVersion();
        const batch = step.items.map((item) => insertOf(step.node, item, version));
        for (const { message, deliveries, unfoldedBy } of batch) {
          // Deliveries that nobody has written yet are nobody's to pick.
          if (unfoldedBy !== null) continue;
          for (const { endpointId, orderKey } of deliveries) {
            pairs.push({ messageId: message.id, endpointId });
            if (orderKey !== null) orders.set(`${message.id} ${endpointId}`, orderKey);
          }
        }
        return {
          call: (store) => store.insertMessages(NODES[step.node]!, batch),
          learn: (answer) => {
            const reply = answer as InsertReply;
            if (reply.kind !== 'done') return;
            reply.outcomes.forEach((outcome, index) => {
              if (outcome.kind !== 'accepted') return;
              for (const endpointId of outcome.held) {
                const key = `${batch[index]!.message.id} ${endpointId}`;
                if (!step.replyLost) remembered[step.node]!.add(key);
                if (!step.replyLost || options.remembersLostAccepts === true)
                  belief.memory[step.node]!.add(key);
              }
            });
          },
        };
      }
      case 'recall': {
        const key = { scope: 's', key: `k${step.key}`, requestHash: `h${step.hash}` };
        return { call: (store) => store.recall(key, startMs) };
      }
      case 'heartbeat':
        return {
          call: async (store) =>
            (
              await store.heartbeat({
                node: NODES[step.node]!,
                name: 'n',
                role: 'all',
                isTaking: step.isTaking ?? true,
                leaseMs: LEASE_MS,
                take: step.take,
                seize: step.seize,
              })
            ).owned,
          learn: (answer) => {
            for (const { partition, epoch } of answer as OwnedPartition[])
              belief.epochs[step.node]!.set(partition, epoch);
          },
        };
      case 'takeOver': {
        const attemptIds = freshIds();
        return { call: (store) => store.takeOver({ node: NODES[step.node]!, attemptIds }) };
      }
      case 'sweep': {
        const attemptIds = freshIds();
        return { call: (store) => store.sweep({ attemptIds }) };
      }
      case 'settle': {
        const chosen = new Map(step.picks.map(({ pick, verdict }) => [pairOf(pick), verdict]));
        const batch = [...chosen].flatMap(([pair, name]) => {
          if (pair === undefined) return [];
          const verdict = verdictOf(name, startMs);
          return [
            {
              delivery: heldOf(step.node, pair),
              attempt: attempt(verdict.kind === 'succeeded' ? 200 : 500, 'scheduled'),
              verdict,
              policy: POLICY,
              attemptsUsed: 1,
              throttled: 0,
              unknowns: 0,
            },
          ];
        });
        return {
          call: (store) => store.settle(NODES[step.node]!, batch),
          learn: () => {
            for (const { delivery } of batch)
              belief.memory[step.node]!.delete(`${delivery.messageId} ${delivery.endpointId}`);
          },
        };
      }
      case 'handBack': {
        const chosen = [...new Set(step.picks.map(pairOf))].flatMap((pair) =>
          pair === undefined ? [] : [heldOf(step.node, pair)],
        );
        return {
          call: (store) => store.handBack(NODES[step.node]!, chosen),
          learn: () => {
            for (const one of chosen) belief.memory[step.node]!.delete(`${one.messageId} ${one.endpointId}`);
          },
        };
      }
      case 'release': {
        const { only } = step;
        const partitions = [...belief.epochs[step.node]!]
          .map(([partition, epoch]) => ({ partition, epoch: step.stale === true ? epoch - 1 : epoch }))
          .filter(({ partition }) => only?.includes(partition) !== false);
        return {
          call: (store) =>
            store.release({
              node: NODES[step.node]!,
              partitions,
              drainMs: step.drain ? LEASE_MS : 0,
              isLeaving: only === undefined,
            }),
        };
      }
      case 'poll':
        return {
          call: async (store) => {
            const lanes = ENDPOINTS.map((endpointId) => ({
              endpointId,
              limit: step.limit ?? 100,
              upto: step.upto ?? 2,
            }));
            const taken = await store.poll({ node: NODES[step.node]!, lanes, budgetBytes: 1_000_000 });
            return taken
              .map((one) => ({ ...one, payload: Buffer.from(one.payload).toString('utf8') }))
              .sort((a, b) => (a.messageId + a.endpointId < b.messageId + b.endpointId ? -1 : 1));
          },
          learn: (answer) => hold(step.node, answer as HeldDelivery[]),
        };
      case 'pollOrdered':
        return {
          call: orderedPoll(step, NODES[step.node]!, startMs),
          learn: (answer) => hold(step.node, (answer as OrderedPoll).deliveries),
        };
      case 'unfold':
        // In two goes for three endpoints.
        return {
          call: async (store) =>
            (
              await store.unfold({ node: NODES[step.node]!, limit: 2, classes: step.classes ?? [0, 1, 2] })
            )?.toSorted(),
        };
      case 'reconcile':
        return {
          call: (store) =>
            store.reconcile({
              node: NODES[step.node]!,
              olderThanMs: 0,
              isHeld: (messageId, endpointId) => belief.memory[step.node]!.has(`${messageId} ${endpointId}`),
            }),
        };
      case 'manual': {
        const pair = pairOf(step.pick);
        if (pair === undefined) return null;
        const record = attempt(step.succeeded ? 200 : 500, 'manual');
        return {
          call: (store) =>
            store.settleManual({
              orgId: ORG,
              applicationId: APP,
              ...pair,
              eventType: 'a.b',
              channels: null,
              tags: null,
              attempt: record,
              succeeded: step.succeeded,
            }),
        };
      }
      case 'close':
        return {
          call: (store) =>
            store.closeLane({
              node: NODES[step.node]!,
              endpointId: ENDPOINTS[step.endpoint]!,
              reason: 'endpoint_deleted',
            }),
        };
      case 'expire':
        return { call: (store) => store.cancelExpired({ limit: 100 }) };
      case 'disable':
        return {
          call: (store) => store.disableEndpoint({ endpointId: ENDPOINTS[step.endpoint]!, reason: 'gone' }),
        };
      case 'dueLanes':
        return {
          call: async (store) =>
            laneAnswer(
              await store.dueLanes({
                node: NODES[step.node]!,
                untilMs: startMs + 3_600_000,
                after: null,
                limit: 10,
              }),
            ),
        };
      case 'readLanes':
        return {
          call: (store) => store.loadLanes(ENDPOINTS).then(laneAnswer),
          learn: () => {},
        };
      case 'cluster':
        return {
          call: async (store) => {
            const { nodes, free } = await store.cluster();
            const isSteady = (ageMs: number): boolean => ageMs > 86_400_000;
            return { free, nodes: nodes.map(({ ageMs, ...rest }) => ({ ...rest, old: isSteady(ageMs) })) };
          },
        };
      case 'raise':
        return { call: (store) => store.raiseHints(belief.lanes) };
      case 'repair':
        return { call: (store) => store.repairHints({ after: '', limit: 100 }) };
      case 'saveLane':
        return {
          call: (store) =>
            store.saveLane({
              node: NODES[step.node]!,
              partition: step.endpoint,
              epoch: epochOf(step.node, step.endpoint) - (step.stale === true ? 1 : 0),
              endpointId: ENDPOINTS[step.endpoint]!,
              block: step.blocked ? { ...BLOCK, untilMs: startMs + 2 * 86_400_000 } : null,
              failingSinceMs: step.blocked ? startMs : null,
              goneSinceMs: null,
            }),
        };
      case 'deal': {
        const { share, limit, isHeld } = step;
        const claim = { node: NODES[step.node]!, share, weight: 1 + share, isHungry: share > 3 };
        const asked = [{ applicationId: APP, limit, claim, holdMs: isHeld ? LEASE_MS : -1 }];
        const byNode = (a: Claim, b: Claim): number => (a.node < b.node ? -1 : 1);
        return { call: async (store) => (await store.dealShares(asked)).get(APP)?.toSorted(byNode) };
      }
      case 'expireLeases':
      case 'expireDraining':
      case 'raiseConfig':
      case 'expunge':
        return null;
      default:
        return step satisfies never;
    }
  };

  const laneAnswer = (lanes: readonly LaneState[]) =>
    lanes
      .map(({ nextDueMs, block, ...lane }) => ({
        ...lane,
        next: timeClass(nextDueMs, startMs),
        block: block?.reason ?? null,
        failingSinceMs: timeClass(lane.failingSinceMs, startMs),
      }))
      .sort((a, b) => (a.endpointId < b.endpointId ? -1 : 1));

  return {
    prepare,
    /** The delivery that a pick names, or undefined when there is none. */
    pairOf,
    /** The lanes' versions as somebody has read them. */
    sawLanes: (lanes: readonly LaneState[]): void => {
      belief.lanes = lanes;
    },
    /** Whether a delivery is really in a node's memory. */
    isRemembered: (nodeId: string, messageId: string, endpointId: string): boolean =>
      remembered[NODES.findIndex((id) => id === nodeId)]!.has(`${messageId} ${endpointId}`),
  };
};
