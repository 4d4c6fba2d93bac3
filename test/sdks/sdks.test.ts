// The official Svix SDKs as clients of a real Posthorn, unchanged.
import { mkdtemp, rm } from 'node:fs/promises';
import { renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MissingProgram } from '../../docs/test/install.ts';
import { start } from '../../docs/test/running.ts';
import {
  type Receiver,
  startReceiver,
  startTestServer,
  type TestServer,
  tokenFor,
} from '../../packages/server/test/journey/harness.ts';
import { expected } from './contract.ts';
import { notRun, programs, type Program } from './programs.ts';

let server: TestServer;
let receiver: Receiver;
let arrivals: string;

beforeAll(async () => {
  for (const [name, why] of Object.entries(notRun))
    process.stderr.write(`not run: the ${name} SDK, because ${why}\n`);
  arrivals = await mkdtemp(join(tmpdir(), 'posthorn-sdks-'));
  server = await startTestServer({ POSTHORN_RETRY_SCHEDULE: '' });
  receiver = await startReceiver(({ path, headers, body }, response) => {
    const isTaken = path === '/take';
    const file = join(arrivals, String(headers['webhook-id']));
    if (isTaken) {
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}\n`);
      writeFileSync(`${file}.body`, body);
      // The program waits for the headers.
      writeFileSync(`${file}.draft`, lines.join(''));
      renameSync(`${file}.draft`, `${file}.headers`);
    }
    response.writeHead(isTaken ? 200 : 500).end(isTaken ? 'taken' : 'refused');
  });
});
afterAll(async () => {
  await receiver?.close();
  await server?.stop();
  if (arrivals !== undefined) await rm(arrivals, { recursive: true });
});

/** Only where nobody counts on it, a language whose tools are missing is passed over, saying so. */
const prepared = async (
  prepare: Program['prepare'],
  skip: (why: string) => never,
): ReturnType<Program['prepare']> => {
  try {
    return await prepare();
  } catch (error) {
    if (error instanceof MissingProgram && process.env['CI'] !== 'true') skip(error.message);
    throw error;
  }
};

describe('the official SDK for', () => {
  it.for(programs)(
    '$sdk sees what the contract says',
    { timeout: 600_000 },
    async ({ org, prepare }, { skip }) => {
      const command = await prepared(prepare, skip);
      const program = start([command], {
        POSTHORN_URL: server.url,
        POSTHORN_TOKEN: await tokenFor(org),
        RECEIVER_URL: new URL(receiver.url).origin,
        ARRIVALS: arrivals,
      });
      await program.endsWell();
      // Beside it there may be what a runtime tells on the other stream.
      const [report = ''] = /^\{.*$/m.exec(program.said()) ?? [];
      expect(JSON.parse(report)).toEqual(expected);
    },
  );
});
