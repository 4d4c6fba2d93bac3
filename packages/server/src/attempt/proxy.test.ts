import { describe, expect, it } from 'vitest';
import {
  attemptsOf,
  createApplication,
  createEndpoint,
  postMessage,
  startReceiver,
  startTestServer,
} from '../../test/journey/harness.ts';
import { attempterFor, requestTo } from '../../test/attempting.ts';
import { authority, goodLeaf, leafKey, otherTls } from '../../test/certificates.ts';
import { startProxy, startTinyproxy } from '../../test/egress-proxy.ts';
import { freePort } from '../../test/ports.ts';
import { answering, ok, rawReceiver } from '../../test/raw-receiver.ts';
import { parseEgressProxy } from './proxy.ts';
import type { AttemptSettings } from './settings.ts';

/** The only way to this address is through the test's proxy, which goes to this machine instead. */
const PUBLIC = '93.184.215.14';
const publicly = async (): Promise<string[]> => [PUBLIC];
const through = (egressProxy: string): Partial<AttemptSettings> => ({
  extraCa: [authority],
  egressProxy,
  allowSubnets: [],
});

describe('a delivery through a proxy', () => {
  it('asks for the address that was judged; the receiver sees its name', async () => {
    const names: string[] = [];
    const receiver = await rawReceiver({
      ...answering(ok),
      tls: {
        ...otherTls,
        SNICallback: (name, done) => {
          names.push(name);
          done(null);
        },
      },
    });
    const proxy = await startProxy();
    const attempter = attempterFor({ ...through(proxy.url), httpsOnly: true }, publicly);
    const request = requestTo(`https://other.example:${receiver.port}/in?x=1`);
    const report = await attempter.deliver(request);
    expect(report).toMatchObject({
      result: { kind: 'response', status: 200 },
      peer: `${PUBLIC}:${receiver.port}`,
    });
    expect(names).toEqual(['other.example']);
    expect(receiver.requests[0]!.head).toContain(
      `POST /in?x=1 HTTP/1.1\r\nhost: other.example:${receiver.port}\r\n`,
    );
    expect(proxy.heads).toEqual([
      `CONNECT ${PUBLIC}:${receiver.port} HTTP/1.1\r\nhost: ${PUBLIC}:${receiver.port}\r\n\r\n`,
    ]);
    // The tunnel is kept and used again, like any connection.
    expect((await attempter.deliver(request)).result).toMatchObject({ status: 200 });
    expect(proxy.heads.length).toBe(1);
    await attempter.close();
    await proxy.allClosed();
  });

  it('tunnels http too', async () => {
    const receiver = await rawReceiver(answering(ok));
    const proxy = await startProxy();
    const attempter = attempterFor(through(proxy.url), publicly);
    const report = await attempter.deliver(requestTo(`http://plain.example:${receiver.port}/`));
    expect(report.result).toMatchObject({ status: 200 });
    expect(proxy.heads[0]).toContain(`CONNECT ${PUBLIC}:${receiver.port} `);
  });

  it('speaks TLS to a proxy that is https, and TLS to the receiver inside of it', async () => {
    const receiver = await rawReceiver({ ...answering(ok), tls: otherTls });
    const proxy = await startProxy(undefined, { key: leafKey, cert: goodLeaf });
    const attempter = attempterFor(through(proxy.url), publicly);
    const report = await attempter.deliver(requestTo(`https://other.example:${receiver.port}/`));
    expect(report.result).toMatchObject({ status: 200 });
    await attempter.close();
    await proxy.allClosed();
  });

  it('takes what comes right behind the proxy’s answer', async () => {
    const proxy = await startProxy(() => `HTTP/1.1 200 OK\r\n\r\n${ok}`);
    const attempter = attempterFor(through(proxy.url), publicly);
    expect((await attempter.deliver(requestTo('http://eager.example/'))).result).toMatchObject({
      status: 200,
    });
  });

  it.each([
    ['a private address', ['10.0.0.7']],
    ['a private address among public ones', [PUBLIC, '169.254.169.254']],
  ])('does not ask for %s', async (_what, addresses) => {
    const proxy = await startProxy();
    const attempter = attempterFor(through(proxy.url), async () => addresses);
    const report = await attempter.deliver(requestTo('http://inside.example/'));
    expect(report.result).toEqual({ kind: 'refused', why: 'blocked_address' });
    expect((await attempter.deliver(requestTo('http://127.0.0.1:3128/'))).result).toMatchObject({
      kind: 'refused',
    });
    expect(proxy.heads).toEqual([]);
  });

  it.each<[string, string]>([
    ['HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\r\n', 'proxy_refused'],
    ['HTTP/1.1 403 Forbidden\r\n\r\n', 'proxy_refused'],
    ['HTTP/1.1 500 Unable to connect\r\n\r\n', 'proxy_bad_gateway'],
    ['HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno', 'proxy_bad_gateway'],
    ['SSH-2.0-OpenSSH_9.2\r\n\r\n', 'proxy_unreachable'],
    ['HTTP/1.1 ', 'proxy_unreachable'],
    [`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(20_000)}`, 'proxy_unreachable'],
  ])('of a proxy that answers %j, fails', async (answer, code) => {
    const proxy = await startProxy(() => answer);
    const attempter = attempterFor({ ...through(proxy.url), connectTimeoutMs: 1_000 }, publicly);
    const report = await attempter.deliver(requestTo('https://other.example/'));
    const isCut = answer === 'HTTP/1.1 ';
    expect(report.result).toEqual(isCut ? { kind: 'timeout', phase: 'connect' } : { kind: 'network', code });
    expect(report.peer).toBeNull();
    await proxy.allClosed();
  });

  it('of a proxy that is down, that hangs up or that never gets a connection, fails with its own cause', async () => {
    const down = attempterFor(through(`http://127.0.0.1:${await freePort()}`), publicly);
    const report = await down.deliver(requestTo('https://other.example/'));
    expect(report.result).toEqual({ kind: 'network', code: 'proxy_unreachable' });
    const hangsUp = await rawReceiver({ onConnection: (socket) => socket.destroy() });
    const cut = attempterFor(through(`http://127.0.0.1:${hangsUp.port}`), publicly);
    expect((await cut.deliver(requestTo('https://other.example/'))).result).toEqual(report.result);
    // TLS to it never begins: it says nothing.
    const silent = await rawReceiver({});
    const waits = attempterFor(
      { ...through(`https://127.0.0.1:${silent.port}`), connectTimeoutMs: 300 },
      publicly,
    );
    expect((await waits.deliver(requestTo('https://other.example/'))).result).toEqual(report.result);
  });

  it('names the credentials to the proxy and to nobody else', async () => {
    const proxy = await startProxy(() => 'HTTP/1.1 407 No\r\n\r\n');
    const withUser = proxy.url.replace('//', '//user:p%40ss@');
    const report = await attempterFor(through(withUser), publicly).deliver(
      requestTo('http://plain.example/'),
    );
    const basic = Buffer.from('user:p@ss').toString('base64');
    expect(proxy.heads[0]).toContain(`\r\nproxy-authorization: Basic ${basic}\r\n`);
    expect(JSON.stringify(report)).not.toMatch(new RegExp(`p@ss|p%40ss|${basic}`));
  });

  it.each(['socks5://127.0.0.1:1080', 'secret-word', 'http://', ''])('is not configured by %j', (text) => {
    expect(() => parseEgressProxy(text)).toThrow('not a URL like http://proxy.example:3128');
  });
});

describe('a server with POSTHORN_EGRESS_PROXY', () => {
  it(
    'delivers through tinyproxy, holds out while it is down, and logs no password',
    { timeout: 60_000 },
    async () => {
      const receiver = await startReceiver();
      const port = Number(new URL(receiver.url).port);
      const proxy = await startTinyproxy([port]);
      const server = await startTestServer({
        POSTHORN_EGRESS_PROXY: `http://user:p_word@127.0.0.1:${proxy.port}`,
        // So long it has only failed, and so often it is tried: both are over at once.
        POSTHORN_RETRY_SCHEDULE: '0.05',
        POSTHORN_DISABLE_AFTER: '0.1',
      });
      try {
        const app = await createApplication(server, 'proxied');
        const receiving = await createEndpoint(server, app, { url: receiver.url });
        const id = await postMessage(server, app, 'a');
        await receiver.until((arrivals) => arrivals.length === 1);
        expect(receiver.arrivals[0]!.headers['via']).toBeUndefined();
        await attemptsOf(server, app, id, ([first]) => first?.status === 0);
        await proxy.stop();
        // The kept tunnel went with it.
        const late = await postMessage(server, app, 'a');
        const attempts = await attemptsOf(server, app, late, (all) => all.length >= 6);
        for (const { status, cause } of attempts.slice(1))
          expect([status, cause]).toEqual([2, 'proxy_unreachable']);
        expect(JSON.stringify(attempts)).not.toContain('p_word');
        // More tries than the schedule has, and more time than an endpoint gets: neither is its fault.
        const { body: endpoint } = await server.call('GET', `${app}/endpoint/${receiving.id}`);
        expect(endpoint.disabled).toBe(false);
        const again = await startTinyproxy([port], proxy.port);
        await receiver.until((arrivals) => arrivals.some((one) => one.headers['webhook-id'] === late));
        await again.stop();
      } finally {
        await receiver.close();
        await server.stop();
      }
    },
  );
});
