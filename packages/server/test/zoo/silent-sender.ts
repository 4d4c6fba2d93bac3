// Runs in a network namespace of its own, where every SYN is counted: which of them the guard lets out.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect, isIPv6 } from 'node:net';
import { createAttempter } from '../../src/attempt/attempter.ts';
import { createResolver } from '../../src/attempt/resolver.ts';
import { defaultAttemptSettings } from '../../src/attempt/settings.ts';
import { createClock } from '../../src/clock.ts';
import { openHost, http } from '../../../../tools/zoo/host.ts';
import { addresses, openNameServer } from '../../../../tools/zoo/name-server.ts';

export type Silence = {
  /** Forbidden addresses to which an unguarded connection does send a SYN from here. */
  readonly reachable: number;
  readonly forbidden: number;
  /** Connections opened by the guarded sender, by the way that it was led. */
  readonly opens: Readonly<Record<'literals' | 'urls' | 'names' | 'mixed', number>>;
  readonly attempts: number;
  readonly refused: number;
  /** At a name that is public at every other question. */
  readonly rebinding: { readonly opens: number; readonly publicAnswers: number; readonly attempts: number };
  /** At an allowed receiver that redirects inside. */
  readonly redirects: { readonly opens: number; readonly attempts: number };
};

const NOWHERE_MS = 40;
const PUBLIC = { 4: '11.9.9.9', 6: '2a00:9::9' } as const;

const ip = (...args: string[]): void => {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
};
/** A way out for all addresses, at whose end nobody is. */
const layOut = (): void => {
  ip('link', 'set', 'lo', 'up');
  ip('link', 'add', 'out0', 'type', 'veth', 'peer', 'name', 'out1');
  for (const link of ['out0', 'out1']) ip('link', 'set', link, 'up');
  ip('addr', 'add', '11.0.0.2/24', 'dev', 'out0');
  ip('route', 'add', 'default', 'via', '11.0.0.1');
  ip('-6', 'addr', 'add', '2a00::2/64', 'dev', 'out0', 'nodad');
  ip('-6', 'route', 'add', 'default', 'dev', 'out0');
};

/** TCP connections that this namespace has begun: one SYN each, at least. RFC 4022, tcpActiveOpens. */
const activeOpens = (): number => {
  const [names = '', values = ''] = readFileSync('/proc/self/net/snmp', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('Tcp:'));
  return Number(values.split(' ')[names.split(' ').indexOf('ActiveOpens')]);
};
const opensDuring = async (work: () => Promise<unknown>): Promise<number> => {
  const before = activeOpens();
  await work();
  return activeOpens() - before;
};

const knock = (host: string): Promise<void> =>
  new Promise((resolve) => {
    const socket = connect({ host, port: 8080 });
    const end = (): void => {
      socket.destroy();
      resolve();
    };
    socket.once('error', end).once('connect', end);
    setTimeout(end, NOWHERE_MS);
  });

layOut();
const vectors = JSON.parse(
  readFileSync(new URL('../../../../conformance/address.json', import.meta.url), 'utf8'),
) as {
  addresses: { forbidden: string[] };
  urls: { refused: { url: string }[] };
};
const { forbidden } = vectors.addresses;
const names = await openNameServer();
const clock = createClock();
let [attempts, refused] = [0, 0];

const deliver = async (url: string, allowSubnets: readonly string[] = []): Promise<void> => {
  const attempter = createAttempter({
    clock,
    settings: {
      ...defaultAttemptSettings,
      httpsOnly: false,
      allowSubnets,
      connectTimeoutMs: NOWHERE_MS,
      dnsTimeoutMs: 2_000,
    },
    resolve: createResolver({ hostsFile: false, servers: [names.address] }),
  });
  const { result } = await attempter.deliver({
    endpoint: {
      url,
      keys: [{ key: { kind: 'hmac256', key: Buffer.alloc(32, 1) }, expiresAtMs: null }],
      headers: [],
    },
    messageId: 'msg_1',
    payload: Buffer.from('{}'),
    contentType: 'application/json',
  });
  attempts++;
  if (result.kind === 'refused') refused++;
  await attempter.close();
};

let reachable = 0;
for (const address of forbidden) if ((await opensDuring(() => knock(address))) > 0) reachable++;

const none = { kind: 'addresses', addresses: [] } as const;
for (const [index, address] of forbidden.entries()) {
  const family = isIPv6(address) ? 6 : 4;
  names.set(`a${index}.zoo.example`, (asked) => (asked === family ? addresses(address) : none));
  names.set(`m${index}.zoo.example`, (asked) =>
    asked === family ? addresses(PUBLIC[asked], address) : addresses(PUBLIC[asked]),
  );
}
const host = (address: string): string => (isIPv6(address) ? `[${address}]` : address);
const opens = {
  literals: await opensDuring(async () => {
    for (const address of forbidden)
      for (const url of [`http://${host(address)}:8080/`, `https://${host(address)}/`]) await deliver(url);
  }),
  urls: await opensDuring(async () => {
    for (const { url } of vectors.urls.refused)
      // What is only refused for its scheme may be reached here.
      if (!url.startsWith('http://')) await deliver(url);
  }),
  names: await opensDuring(async () => {
    for (const index of forbidden.keys()) await deliver(`http://a${index}.zoo.example:8080/`);
  }),
  mixed: await opensDuring(async () => {
    for (const index of forbidden.keys()) await deliver(`https://m${index}.zoo.example/`);
  }),
};
const led = { attempts, refused };

let asked = 0;
let publicAnswers = 0;
names.set('rebinding.zoo.example', (family) => {
  if (family === 6) return none;
  const isPublic = asked++ % 2 === 0;
  if (isPublic) publicAnswers++;
  return addresses(isPublic ? PUBLIC[4] : '169.254.169.254');
});
attempts = 0;
const rebindingOpens = await opensDuring(async () => {
  for (let time = 0; time < 30; time++) await deliver('http://rebinding.zoo.example:8080/');
});
const rebinding = { opens: rebindingOpens, publicAnswers, attempts };

attempts = 0;
const inside = [
  'http://169.254.169.254/',
  'http://10.0.0.1:8080/',
  'http://[fd00::1]/',
  'https://127.0.0.2/',
];
const redirectOpens = await opensDuring(async () => {
  for (const location of inside) {
    const receiver = await openHost({
      onRequest: (socket) => socket.end(http('302 Found', `location: ${location}\r\ncontent-length: 0`)),
    });
    await deliver(`http://127.0.0.1:${receiver.port}/`, ['127.0.0.1/32']);
    await receiver.close();
  }
});
await names.close();
const silence: Silence = {
  reachable,
  forbidden: forbidden.length,
  opens,
  ...led,
  rebinding,
  redirects: { opens: redirectOpens, attempts },
};
process.stdout.write(`${JSON.stringify(silence)}\n`);
