import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApplication, startTestServer, type TestServer } from '../journey/harness.ts';

let server: TestServer;
let app: string;
beforeAll(async () => {
  server = await startTestServer();
  app = await createApplication(server, 'moments');
});
afterAll(() => server.stop());

const FIRST_MS = Date.parse('0001-01-01T00:00:00.000Z');
const LAST_MS = Date.parse('9998-12-31T23:59:59.999Z');

// Their zone carries them out of the years that can be written again.
const BEYOND = ['0001-01-01T00:00:00+14:00', '0001-01-01T00:00:00+23:59', '9999-12-31T23:59:59-14:00'];

describe('moments that a zone carries out of all calendars', () => {
  it.each(BEYOND)('are refused and spoil no list: %s', async (moment) => {
    const message = { eventType: 'a.b', payload: {}, occurredAt: moment };
    expect(await server.call('POST', `${app}/msg`, message)).toMatchObject({ status: 422 });
    expect((await server.call('GET', `${app}/msg`)).status).toBe(200);
    const text = encodeURIComponent(moment);
    for (const path of [
      `${app}/msg?after=${text}`,
      `${app}/msg?before=${text}`,
      `${app}/dead-letter?since=${text}`,
    ]) {
      const { status } = await server.call('GET', path);
      expect({ path, status }).toEqual({ path, status: 400 });
    }
    const replay = await server.call('POST', `${app}/dead-letter/replay`, { since: moment });
    expect(replay.status).toBe(422);
  });
});

describe('occurredAt', () => {
  it('is a day that exists', async () => {
    for (const occurredAt of ['2026-02-29T00:00:00Z', '2026-04-31T23:59:59Z']) {
      const posted = await server.call('POST', `${app}/msg`, { eventType: 'a.b', payload: {}, occurredAt });
      expect(posted).toMatchObject({ status: 422, body: { detail: [{ loc: ['body', 'occurredAt'] }] } });
    }
  });

  it('is kept over all the years that RFC 3339 can write, and stops nobody', async () => {
    const seed = 20_260_726;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: FIRST_MS, max: LAST_MS }), async (ms) => {
        const occurredAt = new Date(ms).toISOString();
        const posted = await server.call('POST', `${app}/msg`, { eventType: 'a.b', payload: {}, occurredAt });
        expect(posted).toMatchObject({ status: 202, body: { occurredAt } });
        const read = await server.call('GET', `${app}/msg/${posted.body.id}`);
        expect(read).toMatchObject({ status: 200, body: { occurredAt } });
      }),
      { seed, numRuns: 100, examples: [[FIRST_MS], [LAST_MS], [0], [-1]] },
    );
  });
});
