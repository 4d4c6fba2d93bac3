import { describe, expect, it } from 'vitest';
import { attempterFor, requestTo } from '../../test/attempting.ts';
import { makeAuthority } from '../../../../tools/zoo/authority.ts';
import { authority, goodLeaf, leafKey } from '../../test/certificates.ts';
import { answering, ok, rawReceiver } from '../../test/raw-receiver.ts';

const tls = { key: leafKey, cert: goodLeaf };
const selfSigned = makeAuthority('Nobody', Date.now()).leaf({ selfSigned: true });
const named = (port: number): string => `https://localhost:${port}/`;
const local = async (): Promise<string[]> => ['127.0.0.1'];

describe('https', () => {
  it('delivers by name and by address, and measures the handshake', async () => {
    const receiver = await rawReceiver({ ...answering(ok), tls });
    const attempter = attempterFor({ extraCa: [authority], httpsOnly: true }, local);
    const report = await attempter.deliver(requestTo(named(receiver.port)));
    expect(report).toMatchObject({ result: { status: 200 }, peer: `127.0.0.1:${receiver.port}` });
    const { dnsMs, connectMs, tlsMs, firstByteMs } = report.phases;
    expect(dnsMs).toBeGreaterThan(0);
    expect(connectMs).toBeGreaterThanOrEqual(dnsMs ?? Infinity);
    expect(tlsMs).toBeGreaterThan(connectMs ?? Infinity);
    expect(firstByteMs).toBeGreaterThanOrEqual(tlsMs ?? Infinity);
    const byAddress = await attempter.deliver(requestTo(`https://127.0.0.1:${receiver.port}/`));
    expect(byAddress.result).toMatchObject({ status: 200 });
  });

  it('resumes the session of an origin on its next connection', async () => {
    const resumed: boolean[] = [];
    const receiver = await rawReceiver({
      tls,
      onConnection: (socket) =>
        void resumed.push((socket as { isSessionReused?: () => boolean }).isSessionReused?.() ?? false),
      onRequest: (socket) => socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'),
    });
    const attempter = attempterFor({ extraCa: [authority] }, local);
    for (let round = 0; round < 3; round++)
      expect((await attempter.deliver(requestTo(named(receiver.port)))).result).toMatchObject({
        status: 200,
      });
    expect(resumed).toEqual([false, true, true]);
  });

  it('offers http/1.1 only', async () => {
    let offered: unknown = null;
    const receiver = await rawReceiver({
      ...answering(ok),
      tls: {
        ...tls,
        ALPNCallback: ({ protocols }) => {
          offered = protocols;
          return 'http/1.1';
        },
      },
    });
    await attempterFor({ extraCa: [authority] }, local).deliver(requestTo(named(receiver.port)));
    expect(offered).toEqual(['http/1.1']);
  });

  it('is not weakened by the environment', async () => {
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      const receiver = await rawReceiver({ ...answering(ok), tls: selfSigned });
      const report = await attempterFor({}, local).deliver(requestTo(named(receiver.port)));
      expect(report.result).toEqual({ kind: 'tls', code: 'tls_self_signed' });
    } finally {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
    }
  });
});
