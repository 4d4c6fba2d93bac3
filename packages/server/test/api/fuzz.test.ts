// Requests to every operation, made from the document: never a 5xx, never a write by what was refused,
// never a hang, and the server is well afterwards.
import { Writable } from 'node:stream';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, ORG } from '../journey/harness.ts';
import { createValidator, inOrder, mediaOf, operationsOf, readDocument, rolesOf } from './document.ts';
import type { Document } from './document.ts';
import { requestsTo } from './generated.ts';
import type { Generated } from './generated.ts';
import { contentsOf, startPopulated } from './populated.ts';
import type { Populated } from './populated.ts';

const seed = Number(process.env['POSTHORN_TEST_SEED'] ?? Date.now() % 2 ** 31);
const RUNS_PER_OPERATION = 20;
const PATIENCE_MS = 20_000;

/** Deliveries of accepted messages, and what is told of them, go on while the next request comes. */
const UNDER_WAY = ['message', 'live', 'attempt', 'closed', 'expansion', 'operational_event', 'task_item'];

/** What must never be told to strangers. */
const INSIDE = /\.ts:\d+|\.js:\d+:|node:internal|syntax error at|violates .* constraint|relation "/;

type Got = { readonly status: number; readonly text: string };

describe('any request', () => {
  let world: Populated;
  let document: Document;
  let problemWith: ReturnType<typeof createValidator>;
  const logged: string[] = [];

  beforeAll(async () => {
    const log = pino(
      { level: 'error' },
      new Writable({
        write: (chunk: Buffer, _encoding, done) => {
          logged.push(chunk.toString());
          done();
        },
      }),
    );
    world = await startPopulated({ log });
    document = await readDocument((path) => world.server.call('GET', path));
    problemWith = createValidator(document);
  });
  afterAll(() => world?.stop());

  const send = async ({ operation, params, query, body, key }: Generated): Promise<Got> => {
    const path = operation.path.replaceAll(/\{(\w+)\}/g, (_all, name: string) =>
      encodeURIComponent(params[name] ?? name),
    );
    const response = await fetch(`${world.server.url}${path}${query === '' ? '' : `?${query}`}`, {
      method: operation.method,
      headers: {
        authorization: `Bearer ${rolesOf(operation).includes('operator') ? world.tokens.operator : world.tokens.org}`,
        ...(key === null ? {} : { 'idempotency-key': key }),
      },
      ...(body === null ? {} : { body }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    return { status: response.status, text: await response.text() };
  };

  /** What is wrong with an answer, or null. */
  const wrongWith = ({ operation }: Generated, { status, text }: Got): string | null => {
    if (INSIDE.test(text)) return 'tells of the inside';
    if (status === 501 && text.includes('not_implemented')) return null;
    if (status >= 500) return 'a server error';
    const described = operation.responses[String(status)];
    if (described === undefined) return 'is not documented';
    const schema = mediaOf(described)?.schema;
    if (schema === undefined) return text === '' ? null : 'has a body';
    try {
      return problemWith(schema, JSON.parse(text));
    } catch {
      return 'is not JSON';
    }
  };

  const contents = async (): Promise<string> => {
    const ours = await world.server.sql('select count(*) from message where org_id = $1', [ORG]);
    return `${await contentsOf(world.server, UNDER_WAY)} ${JSON.stringify(ours)}`;
  };

  /** What a refused request writes while nothing else is going on, or null. */
  const writesInQuiet = async (request: Generated): Promise<string | null> => {
    await eventually(
      () => world.server.call('GET', '/api/v1/background-task?status=running'),
      ({ body }) => body.data.length === 0,
    );
    const before = await contents();
    if ((await send(request)).status < 400) return null;
    const after = await contents();
    return after === before ? null : `${before} became ${after}`;
  };

  it(
    `is answered as documented, and refused without a write (seed ${seed})`,
    { timeout: 300_000 },
    async () => {
      const statuses = new Map<string, Set<number>>();
      let before = await contents();
      for (const operation of inOrder(operationsOf(document))) {
        const seen = new Set<number>();
        statuses.set(operation.operationId, seen);
        await fc.assert(
          fc.asyncProperty(requestsTo(document, operation, world.idsIn(operation.path)), async (request) => {
            const got = await send(request);
            seen.add(got.status);
            const wrong = wrongWith(request, got);
            if (wrong !== null)
              throw new Error(
                `${operation.operationId}: ${got.status} ${wrong}: ${got.text}; ${request.query} ${request.body ?? ''}; ${logged.at(-1) ?? ''}`,
              );
            const after = await contents();
            // What was accepted before may still be under way: the suspicion is looked into.
            if (got.status >= 400 && after !== before) {
              const written = await writesInQuiet(request);
              if (written !== null)
                throw new Error(`${operation.operationId}: ${got.status} wrote: ${written}`);
            }
            before = after;
          }),
          { numRuns: RUNS_PER_OPERATION, seed },
        );
      }
      // Requests that are all refused for their shape would show little.
      const refused = [...statuses].filter(([, seen]) => ![...seen].some((status) => status < 300));
      if (refused.length > statuses.size / 5)
        throw new Error(
          `too few came through: ${refused.map(([id, seen]) => `${id} ${[...seen].join()}`).join('; ')}`,
        );
      expect(logged).toEqual([]);
      expect((await world.server.call('GET', '/api/v1/health')).status).toBe(200);
    },
  );
});
