import { openBlackhole } from '../blackhole.ts';
import { type Exhibit, opened, type Opened, ZONE } from '../exhibit.ts';
import { answering, ok, openHost } from '../host.ts';
import { addresses, type Answer } from '../name-server.ts';

const NONE: Answer = { kind: 'addresses', addresses: [] };
const v4 =
  (...list: readonly string[]) =>
  (family: 4 | 6): Answer =>
    family === 4 ? addresses(...list) : NONE;

/** A receiver that is well, behind a name that is not. */
const named =
  (name: string, answer: (family: 4 | 6) => Answer): Exhibit['open'] =>
  async ({ names }) => {
    const host = await openHost(answering(ok));
    names.set(`${name}.${ZONE}`, answer);
    return opened(host, `http://${name}.${ZONE}:${host.port}/webhooks`);
  };

/**
 * A name whose answers lead inside: what must never be reached counts who comes. The harmless address
 * is 127.0.0.2, so that a sender under test can be told to allow that one only.
 */
const leadingInside =
  (name: string, answer: (family: 4 | 6, asked: number) => Answer): Exhibit['open'] =>
  async ({ names }) => {
    const inside = await openHost(answering(ok));
    const outside = await openHost(answering(ok), { address: '127.0.0.2', port: inside.port });
    let asked = 0;
    names.set(`${name}.${ZONE}`, (family) => answer(family, family === 4 ? asked++ : asked));
    return opened(outside, `http://${name}.${ZONE}:${inside.port}/webhooks`, {
      trapped: inside.connections,
      close: async () => {
        await Promise.all([inside.close(), outside.close()]);
      },
    });
  };

const openDeadAndAlive: Exhibit['open'] = async ({ names }): Promise<Opened> => {
  const host = await openHost(answering(ok));
  const dead = await openBlackhole('127.0.0.2', host.port);
  names.set(`one-dead-address.${ZONE}`, v4('127.0.0.2', '127.0.0.1'));
  return opened(host, `http://one-dead-address.${ZONE}:${host.port}/webhooks`, {
    close: async () => {
      await Promise.all([host.close(), dead.close()]);
    },
  });
};

export const naming: readonly Exhibit[] = [
  {
    kind: 5,
    name: 'dns-silence',
    does: 'has a name server that never answers',
    expect: 'a timeout of its own for names; no thread of the resolver is held, others go on',
    open: named('dns-silence', () => ({ kind: 'silence' })),
  },
  {
    kind: 6,
    name: 'dns-nxdomain',
    does: 'has a name that does not exist',
    expect: 'a failed attempt that says so',
    open: named('dns-nxdomain', () => ({ kind: 'no-such-name' })),
  },
  {
    kind: 6,
    name: 'dns-servfail',
    does: 'has a name server that fails',
    expect: 'a failed attempt that says so; not remembered',
    open: named('dns-servfail', () => ({ kind: 'server-failure' })),
  },
  {
    kind: 7,
    name: 'aaaa-only',
    does: 'has an IPv6 address only',
    expect: 'delivered where there is IPv6, else no route; never a hang',
    open: async ({ names }) => {
      const host = await openHost(answering(ok), { address: '::1' }).catch(() => openHost(answering(ok)));
      names.set(`aaaa-only.${ZONE}`, (family) => (family === 6 ? addresses('::1') : NONE));
      return opened(host, `http://aaaa-only.${ZONE}:${host.port}/webhooks`);
    },
  },
  {
    kind: 8,
    name: 'one-dead-address',
    does: 'has two addresses, and the first is dead',
    expect: 'delivered to the other one',
    open: openDeadAndAlive,
  },
  {
    kind: 9,
    name: 'dns-rebinding',
    does: 'has a name that leads outside when it is checked, and to 127.0.0.1 at every other question',
    expect: 'no connection to 127.0.0.1, ever: what was judged is what is dialled',
    send: { times: 20 },
    open: leadingInside('dns-rebinding', (family, asked) =>
      family === 6 ? NONE : addresses(asked % 2 === 0 ? '127.0.0.2' : '127.0.0.1'),
    ),
  },
  {
    kind: 9,
    name: 'dns-mixed',
    does: 'has a name with a harmless address and 127.0.0.1 in one answer',
    expect: 'refused as a whole',
    open: leadingInside('dns-mixed', v4('127.0.0.2', '127.0.0.1')),
  },
  {
    kind: 50,
    name: 'many-origins',
    does: 'has as many names as somebody cares to call: any-word.many-origins',
    expect: 'a bounded number of sockets, pools and remembered names',
    send: { times: 2_000 },
    open: async ({ names }) => {
      const host = await openHost(answering(ok));
      names.set(`many-origins.${ZONE}`, v4('127.0.0.1'));
      return opened(host, `http://*.many-origins.${ZONE}:${host.port}/webhooks`);
    },
  },
];
