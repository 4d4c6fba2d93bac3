// What a fault is done to: PostgreSQL, nodes behind wires of their own, producers, receivers behind a wire.
import { rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join as joinPath } from 'node:path';
import pg from 'pg';
import { addressOf, through } from '../../../../tools/fault-proxy/postgres.ts';
import { type Proxy, startProxy } from '../../../../tools/fault-proxy/proxy.ts';
import { migrate } from '../../src/store/migrate.ts';
import { nowMs } from '../crash/changes.ts';
import { moody, steady } from '../crash/oracle.ts';
import type { PlantedBug } from '../crash/planted.ts';
import { createScenario, type Scenario } from '../crash/scenario.ts';
import { seededRandom, type SeededRandom } from '../crash/seeded-random.ts';
import { poll, type ServerPlan, type ServerProcess } from '../crash/server-process.ts';
import { clean, temporaryDirectory } from '../embedded-starter.ts';
import { freePort } from '../ports.ts';
import { checkOut, type OldVersion } from './next-version.ts';
import { createPostgres, type OwnPostgres } from './own-postgres.ts';
import { mountSmallDisk } from './small-disk.ts';

export type WorldPlan = {
  readonly seconds: number;
  readonly seed: string;
  readonly nodes?: number;
  readonly receivers?: number;
  /** Of each producer between two messages. */
  readonly pauseMs?: number;
  /** Settings of the nodes; of each by its number. */
  readonly settings?: (node: number) => Readonly<Record<string, string>>;
  /** A bug in every node. */
  readonly plant: PlantedBug | null;
  /** A place for files. */
  readonly folder: string;
  /** The commit of the version that the nodes run at first; null: this one. */
  readonly old: string | null;
  readonly postgresSettings?: Readonly<Record<string, string>>;
  /** The database lies on a disk of this size … */
  readonly diskMb?: number;
  /** … and the nodes are told which it is. */
  readonly ownDisk?: boolean;
  /** A standby follows, and a commit is one once it has it too. */
  readonly hasStandby?: boolean;
  /** One line about what happens, for people. */
  readonly log: (line: string) => void;
};

export type Node = {
  readonly number: number;
  readonly port: number;
  /** Between it and the database. */
  readonly wire: Proxy;
  readonly server: () => ServerProcess;
  /** Starts it again at the same address; resolves at once. The one before must have ended. */
  readonly start: (more?: Partial<ServerPlan>) => ServerProcess;
};

export type World = {
  readonly seconds: number;
  readonly seed: string;
  readonly random: SeededRandom;
  readonly log: (line: string) => void;
  readonly scenario: Scenario;
  readonly nodes: readonly Node[];
  /** Between the nodes and all receivers. */
  readonly receivers: Proxy;
  readonly folder: string;
  readonly old: string | null;
  readonly postgres: OwnPostgres;
  readonly standby: OwnPostgres | null;
  /** Where the database's disk is, and a place on it to fill up. */
  readonly disk: string;
  /** The database, by a way that nobody makes worse; follows a failover. */
  readonly databaseUrl: string;
  readonly sql: <Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]) => Promise<Row[]>;
  /** Every way to the database leads to this one now. */
  readonly failOver: (to: OwnPostgres) => void;
  /** Whether the fault's time is not over. */
  readonly goesOn: () => boolean;
  readonly anyNode: () => Node;
  /** Resolves once so many nodes own everything. */
  readonly settled: (nodes: number) => Promise<void>;
  /** Resolves once something was accepted and something was delivered that began after now. */
  readonly flows: () => Promise<void>;
  /** Does something to a process (null: to what all need) and remembers when, for the checker. */
  readonly during: (kind: string, sender: number | null, harm: () => Promise<void>) => Promise<void>;
};

const NODES = 2;
const RECEIVERS = 4;
/** Of each node, and how long each of them rests between two messages. */
const PRODUCERS = 3;
const PAUSE_MS = 30;
const PATIENCE_MS = 90_000;
const WORK_FIRST = 30;

const makeDatabase = async (
  plan: WorldPlan,
  old: OldVersion | null,
  later: (end: () => Promise<unknown>) => void,
) => {
  const directory = await temporaryDirectory();
  // Also when this process ends in the middle.
  const remove = (): void => rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  process.once('exit', remove);
  later(() => {
    process.off('exit', remove);
    return clean(directory);
  });
  const disk = joinPath(directory, 'first');
  await mkdir(disk);
  if (plan.diskMb !== undefined) later(await mountSmallDisk(disk, plan.diskMb));
  const postgres = await createPostgres(disk, plan.postgresSettings);
  let standby: OwnPostgres | null = null;
  if (plan.hasStandby === true) {
    await mkdir(joinPath(directory, 'second'));
    standby = await postgres.makeStandby(joinPath(directory, 'second'));
    later(() => standby!.stop('immediate'));
  }
  later(() => postgres.stop('immediate'));
  await postgres.start();
  await standby?.start();
  await migrate({ url: postgres.url, log: () => {}, ...(old === null ? {} : { folder: old.migrations }) });
  return { postgres, standby, disk };
};

/** Builds all of it, sets the load going, and waits until the nodes share the work. */
export const openWorld = async (
  plan: WorldPlan,
  later: (end: () => Promise<unknown>) => void,
): Promise<World> => {
  const { seed, log, seconds } = plan;
  const random = seededRandom(seed);
  const old = plan.old === null ? null : await checkOut(plan.old, plan.folder);
  if (old !== null) later(old.remove);
  const { postgres, standby, disk } = await makeDatabase(plan, old, later);
  const wireTo = async (url: string): Promise<Proxy> => {
    const wire = await startProxy({ target: addressOf(url), random });
    later(wire.close);
    return wire;
  };
  const ownWire = await wireTo(postgres.url);
  const databaseUrl = through(postgres.url, ownWire);
  const sql: World['sql'] = async <Row extends pg.QueryResultRow>(
    text: string,
    values: readonly unknown[] = [],
  ) => {
    const client = new pg.Client({ connectionString: databaseUrl, application_name: 'torture' });
    client.on('error', () => {});
    await client.connect();
    try {
      return (await client.query<Row>(text, [...values])).rows;
    } finally {
      await client.end();
    }
  };

  let receivers: Proxy | null = null;
  const scenario = await createScenario({
    databaseUrl,
    receivers: Array.from({ length: plan.receivers ?? RECEIVERS }, (_, n) =>
      n % 2 === 0 ? steady : moody(`${seed} ${n}`),
    ),
    reach: (url) => through(url, receivers!),
  });
  later(scenario.end);
  receivers = await wireTo(scenario.oracle.url);

  const join = async (number: number): Promise<Node> => {
    const wire = await wireTo(postgres.url);
    const port = number === 0 ? scenario.port : await freePort();
    const processes: ServerProcess[] = [];
    const node: Node = {
      number,
      port,
      wire,
      server: () => processes.at(-1)!,
      start: (more = {}) => {
        const server = scenario.start({
          databaseUrl: through(postgres.url, wire),
          port,
          ...(plan.plant === null ? {} : { plant: plan.plant }),
          settings: {
            ...(plan.ownDisk === true ? { POSTHORN_DATABASE_DISK: disk } : {}),
            ...plan.settings?.(number),
          },
          ...more,
        });
        processes.push(server);
        return server;
      },
    };
    await node.start(old === null ? {} : { entry: old.entry }).ready;
    return node;
  };
  const nodes: Node[] = [];
  for (let number = 0; number < (plan.nodes ?? NODES); number++) nodes.push(await join(number));
  await scenario.setUp();
  const load = { count: PRODUCERS, pauseMs: plan.pauseMs ?? PAUSE_MS };
  const producers = nodes.map(({ port }) => scenario.produce({ ...load, url: `http://127.0.0.1:${port}` }));

  const settled = (wanted: number): Promise<void> =>
    poll(
      `${wanted} nodes that own everything`,
      async () => {
        const [now] = await sql<{ nodes: number; unowned: number }>(
          `select count(distinct node)::int4 as nodes,
            (count(*) filter (where node is null or lease_until < clock_timestamp()))::int4 as unowned
            from partition`,
        ).catch(() => []);
        return now?.nodes === wanted && now.unowned === 0;
      },
      PATIENCE_MS,
    );
  const isAfter = (sinceMs: number, atMs: number | undefined): boolean => (atMs ?? 0) > sinceMs;

  await Promise.all(
    producers.map((producer) =>
      producer.until('some work', () => producer.acknowledgedAt().length > WORK_FIRST, PATIENCE_MS),
    ),
  );
  await settled(nodes.length);
  const endMs = nowMs() + seconds * 1_000;
  return {
    seconds,
    seed,
    random,
    log,
    scenario,
    nodes,
    receivers,
    folder: plan.folder,
    old: plan.old,
    postgres,
    standby,
    disk,
    databaseUrl,
    sql,
    failOver: (to) => {
      for (const wire of [ownWire, ...nodes.map((node) => node.wire)]) wire.retarget(addressOf(to.url));
    },
    goesOn: () => nowMs() < endMs,
    anyNode: () => nodes[Math.floor(random() * nodes.length)]!,
    settled,
    flows: async () => {
      const sinceMs = nowMs();
      await Promise.all([
        ...producers.map((producer) =>
          producer.until(
            'acceptance to go on',
            () => isAfter(sinceMs, producer.acknowledgedAt().at(-1)),
            PATIENCE_MS,
          ),
        ),
        scenario.oracle.until(
          'deliveries to go on',
          () => isAfter(sinceMs, scenario.oracle.requests().at(-1)?.arrivedMs),
          PATIENCE_MS,
        ),
      ]);
    },
    during: async (kind, sender, harm) => {
      const fromMs = nowMs();
      await harm();
      scenario.fault({ kind, sender, fromMs, toMs: nowMs() });
    },
  };
};
