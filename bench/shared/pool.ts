import { Client } from 'pg';
import { settle } from './server.ts';
import { APPLICATIONS, DRAIN_MS, type Target } from './spread.ts';
import { openPlace, untilEven } from './place.ts';

/** `posthorn start --workers N` with applications whose endpoints are spread over all owners. */
export interface Pool {
  readonly targets: readonly Target[];
  /** Waits until nothing is open any more; says what is left when it gives up. */
  readonly settle: () => Promise<string | undefined>;
  stop(): Promise<void>;
}

/** @param receiverPort What each endpoint points to, on loopback. */
export async function openPool(processes: number, receiverPort: number): Promise<Pool> {
  const place = await openPlace();
  try {
    const pool = await place.start({ POSTHORN_WORKERS: String(processes) });
    const targets: Target[] = [];
    for (let n = 0; n < APPLICATIONS; n++) {
      const { id } = (await place.call(pool, '/app', { name: 'Bench' })) as { id: string };
      await place.call(pool, `/app/${id}/endpoint`, { url: `http://127.0.0.1:${receiverPort}/` });
      targets.push({ port: pool.port, application: id, token: place.token });
    }
    await untilEven(place, pool, processes);
    const database = new Client({ connectionString: await place.databaseUrl() });
    await database.connect();
    return {
      targets,
      settle: () => settle(database, DRAIN_MS),
      stop: async () => {
        await database.end();
        await place.stop();
      },
    };
  } catch (error) {
    await place.stop();
    throw error;
  }
}
