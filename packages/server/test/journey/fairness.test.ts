import { expect, it } from 'vitest';
import { createApplication, createEndpoint, startReceiver, startTestServer } from './harness.ts';
import { makeWait, MILLION } from './million.ts';

const IN_FLIGHT = 64;
const ENDPOINTS = 100;

it(
  `an application with ${MILLION} waiting deliveries takes no more than a turn from a message of another`,
  { timeout: 600_000 },
  async () => {
    const server = await startTestServer({ POSTHORN_MAX_IN_FLIGHT: String(IN_FLIGHT) });
    const receiver = await startReceiver((_, response) => {
      setTimeout(() => response.writeHead(200).end(), 20);
    });
    const crowd = await createApplication(server, 'crowd');
    const { id: crowdId } = (await server.call('GET', crowd)).body;
    const made = Array.from({ length: ENDPOINTS }, () =>
      createEndpoint(server, crowd, { url: receiver.url }),
    );
    const endpointIds = (await Promise.all(made)).map(({ id }) => id);
    const quiet = await createApplication(server, 'quiet');
    await createEndpoint(server, quiet, { url: receiver.url });
    await makeWait(server, crowdId, endpointIds, MILLION, 1);
    await receiver.until((all) => all.length > 2_000);
    const overtaken: number[] = [];
    for (let n = 0; n < 50; n++) {
      const { body } = await server.call('POST', `${quiet}/msg`, { eventType: 'a.b', payload: {} });
      const before = receiver.arrivals.length;
      const isIt = ({ headers }: { headers: Record<string, unknown> }): boolean =>
        headers['webhook-id'] === body.id;
      await receiver.until((all) => all.slice(before - 1_000).some(isIt));
      overtaken.push(receiver.arrivals.findIndex(isIt) - before);
    }
    // By what else the receiver saw meanwhile: that does not depend on how busy the machine is. The first one makes
    // its lane known, by way of the store.
    expect(
      overtaken
        .slice(1)
        .toSorted((a, b) => a - b)
        .at(-1),
    ).toBeLessThanOrEqual(IN_FLIGHT);
    const [row] = await server.sql('select count(*)::int as n from live');
    expect(row.n).toBeGreaterThan(MILLION / 2);
    await server.halt(0);
    await receiver.close();
    await server.stop();
  },
);
