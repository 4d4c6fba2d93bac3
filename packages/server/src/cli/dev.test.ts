import { describe, expect, it } from 'vitest';
import { devJson, devText, receiptText, type DevFacts } from './dev.ts';

const facts: DevFacts = {
  version: '1.2.3',
  url: 'http://127.0.0.1:8071',
  token: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJvcmdfMSJ9.c2lnbmF0dXJl',
  orgId: 'org_1',
  dataDir: '/home/ada/.local/share/posthorn',
  postgres: { version: '18.4', port: 15_432 },
  demo: {
    kind: 'delivered',
    applicationId: 'app_1',
    endpointId: 'ep_1',
    messageId: 'msg_3MT5KYmHjU8oqQyqGIz8XRFo9tZ',
    verified: true,
    elapsedMs: 12.4,
  },
  movedFrom: null,
  startMs: 912,
};

describe('devText', () => {
  it('says it all in thirteen lines that fit', () => {
    expect(devText(facts)).toMatchInlineSnapshot(`
      "
        Posthorn 1.2.3 for development, ready in 0.9 s

        api        http://127.0.0.1:8071/api/v1
        docs       http://127.0.0.1:8071/docs
        database   PostgreSQL 18.4 on port 15432, data in /home/ada/.local/share/posthorn
        sent       demo.started msg_3MT5KYmHjU8oqQyqGIz8XRFo9tZ to http://127.0.0.1:8071/demo/receiver
        answer     200 in 12 ms, signature verified
        endpoints  may be local here, unlike with posthorn start; try npx posthorn listen 3000/webhooks

        Your token, and a message to send with it (paste both into another terminal):

        export TOKEN=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJvcmdfMSJ9.c2lnbmF0dXJl
        curl -X POST http://127.0.0.1:8071/api/v1/app/demo/msg -H "authorization: Bearer $TOKEN" \\
          -H 'content-type: application/json' -d '{"eventType":"user.created","payload":{"id":1}}'

        go live    DATABASE_URL=… POSTHORN_JWT_SECRET=… POSTHORN_MAIN_SECRET=… npx posthorn start
        Ctrl-C stops all of this and keeps the data; npx posthorn dev --reset wipes it.

      "
    `);
  });

  it('says what is out of the ordinary', () => {
    const text = devText({
      ...facts,
      postgres: null,
      movedFrom: '127.0.0.1:8071',
      url: 'http://127.0.0.1:8072',
      demo: { kind: 'failed', problem: 'why' },
    });
    expect(text.split('\n').slice(3, 7)).toMatchInlineSnapshot(`
      [
        "  api        http://127.0.0.1:8072/api/v1  (127.0.0.1:8071 is taken by another program)",
        "  docs       http://127.0.0.1:8072/docs",
        "  database   your DATABASE_URL; the token's secret is in /home/ada/.local/share/posthorn",
        "  demo       failed: why",
      ]
    `);
    const unverified = { ...facts.demo, verified: false, elapsedMs: 0.1 } as DevFacts['demo'];
    expect(devText({ ...facts, demo: unverified })).toContain(
      '  answer     401 in 1 ms, signature NOT verified\n',
    );
  });
});

describe('devJson', () => {
  it('is one line with the same facts', () => {
    const text = devJson(facts);
    expect(text.indexOf('\n')).toBe(text.length - 1);
    const { curl, ...rest } = JSON.parse(text) as Record<string, unknown>;
    expect(rest).toEqual({
      ...facts,
      api: 'http://127.0.0.1:8071/api/v1',
      docs: 'http://127.0.0.1:8071/docs',
      receiver: 'http://127.0.0.1:8071/demo/receiver',
    });
    expect(curl).toContain(`Bearer ${facts.token}`);
  });
});

describe('receiptText', () => {
  it('names the message and says whether its signature held', () => {
    expect(receiptText({ messageId: 'msg_1', verified: true, atMs: 0 })).toBe(
      '  received   msg_1, signature verified\n',
    );
    expect(receiptText({ messageId: 'msg_1', verified: false, atMs: 0 })).toBe(
      '  received   msg_1, signature NOT verified\n',
    );
  });
});
