import { OpenAPIHono, z } from '@hono/zod-openapi';
import { json } from './answers.ts';
import { formatDate } from './dates.ts';
import { operate } from './operation.ts';
import type { ApiDeps } from './port.ts';
import { sample } from './sample.ts';

const count = z.int().min(0);
const time = z.iso.datetime();

const nodeOut = z
  .object({
    id: z.string(),
    name: z.string(),
    role: z.enum(['all', 'api', 'worker']),
    joinedAt: time,
    leaseUntil: time,
    partitions: count,
  })
  .openapi('ClusterNodeOut');
const partitionOut = z
  .object({
    id: count,
    epoch: count.describe('Raised with every change of owner; with the node it is the token that fences.'),
    node: z.string().nullable(),
    leaseUntil: time.nullable(),
    draining: count.describe('Earlier tokens with attempts in flight.'),
    lanesDue: count,
  })
  .openapi('ClusterPartitionOut');
const clusterOut = z
  .object({
    nodes: z.array(nodeOut),
    partitions: z.array(partitionOut),
    unowned: count.describe('Partitions without an owner whose lease runs.'),
    lanes: z.object({ total: count, due: count, blocked: count }),
    queueAgeMs: z.number().describe('How long the oldest delivery that is due has been waiting.'),
  })
  .openapi('ClusterOut', {
    example: {
      nodes: [
        {
          id: '0b2f6a52-6a0e-4a5f-9f0c-6d0b7b7c1d11',
          name: 'a',
          role: 'all',
          joinedAt: sample.time,
          leaseUntil: sample.later,
          partitions: 256,
        },
      ],
      partitions: [
        {
          id: 0,
          epoch: 7,
          node: '0b2f6a52-6a0e-4a5f-9f0c-6d0b7b7c1d11',
          leaseUntil: sample.later,
          draining: 0,
          lanesDue: 2,
        },
      ],
      unowned: 0,
      lanes: { total: 1200, due: 2, blocked: 1 },
      queueAgeMs: 40,
    },
  });

/** Who does the work. */
export const clusterRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  operate(
    app,
    deps,
    {
      id: 'v1.admin.cluster',
      method: 'get',
      path: '/admin/cluster',
      tag: 'Admin',
      summary: 'Nodes, partitions and their owners, lanes, and the age of the queue',
      who: 'operator',
      answers: { 200: clusterOut },
      own: true,
    },
    async () => {
      const { nodes, partitions, lanes, nowMs } = await deps.store.cluster();
      const oldestMs = Math.min(nowMs, ...partitions.flatMap(({ oldestDueMs }) => oldestDueMs ?? []));
      return json(200, {
        nodes: nodes.map(({ joinedAtMs, leaseUntilMs, ...node }) => ({
          ...node,
          joinedAt: formatDate(joinedAtMs),
          leaseUntil: formatDate(leaseUntilMs),
        })),
        partitions: partitions.map(({ leaseUntilMs, oldestDueMs: _oldest, ...partition }) => ({
          ...partition,
          leaseUntil: leaseUntilMs === null ? null : formatDate(leaseUntilMs),
        })),
        unowned: partitions.filter(({ leaseUntilMs }) => leaseUntilMs === null || leaseUntilMs < nowMs)
          .length,
        lanes: { ...lanes, due: partitions.reduce((sum, { lanesDue }) => sum + lanesDue, 0) },
        queueAgeMs: Math.round(nowMs - oldestMs),
      });
    },
  );
  return app;
};
