import { type FaultProxy, startFaultProxy } from '../../../../tools/fault-proxy/postgres.ts';
import { createTestDatabase } from '../postgres.ts';
import { moody, steady } from './oracle.ts';
import { type Scenario, createScenario } from './scenario.ts';

type Later = (end: () => Promise<unknown>) => void;

/** What a test has started is ended after it, the last one first, whatever fails; the first failure is thrown. */
export const withEnds = async (body: (later: Later) => Promise<void>): Promise<void> => {
  const ends: (() => Promise<unknown>)[] = [];
  const failures: unknown[] = [];
  await body((end) => ends.unshift(end)).catch((error: unknown) => failures.push(error));
  for (const end of ends) await end().catch((error: unknown) => failures.push(error));
  const [first] = failures;
  if (failures.length > 0) throw first instanceof Error ? first : new Error(String(first));
};

const receivers = (seed: string) => [steady, moody(seed)];

/** A scenario on a database of its own, with a steady receiver and a moody one. */
export const withScenario = (
  seed: string,
  body: (scenario: Scenario, databaseUrl: string) => Promise<void>,
): Promise<void> =>
  withEnds(async (later) => {
    const database = await createTestDatabase();
    later(database.drop);
    const scenario = await createScenario({ databaseUrl: database.url, receivers: receivers(seed) });
    later(scenario.end);
    await body(scenario, database.url);
  });

/** The same, with a proxy between the server and its database. */
export const withProxy = (
  seed: string,
  body: (scenario: Scenario, proxy: FaultProxy, databaseUrl: string) => Promise<void>,
): Promise<void> =>
  withEnds(async (later) => {
    const database = await createTestDatabase();
    later(database.drop);
    const proxy = await startFaultProxy(database.url);
    later(proxy.close);
    const scenario = await createScenario({
      databaseUrl: database.url,
      serverDatabaseUrl: proxy.url,
      receivers: receivers(seed),
    });
    later(scenario.end);
    await body(scenario, proxy, database.url);
  });

/** For a test with a database that it starts itself. */
export const withOwnDatabase = (seed: string, databaseUrl: string, later: Later): Promise<Scenario> =>
  createScenario({ databaseUrl, receivers: receivers(seed) }).then((scenario) => {
    later(scenario.end);
    return scenario;
  });
