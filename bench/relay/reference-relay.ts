/**
 * The reference relay: what a webhook costs when nothing is stored. It reads
 * and parses a Svix MessageIn, signs its payload after Standard Webhooks,
 * answers 202 and posts the payload on. node:http in front, undici behind, no
 * database, no framework. Every choice in here was the fastest of those
 * measured; bench/README.md has the numbers.
 */
import { createHmac, createSecretKey } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import { Pool, type Dispatcher } from 'undici';
import { serve } from '../shared/worker.ts';

export interface RelayOptions {
  readonly target: string;
  /** `whsec_…` */
  readonly secret: string;
  readonly connections: number;
  /** Most messages between their 202 and the receiver's answer; answers wait beyond. */
  readonly outstanding: number;
}

export interface RelayCounters {
  readonly delivered: number;
  readonly failed: number;
  readonly outstanding: number;
}

interface MessageIn {
  readonly eventType: string;
  readonly payload: Record<string, unknown>;
}

const options = JSON.parse(process.argv[2] ?? '{}') as RelayOptions;
const target = new URL(options.target);
const key = createSecretKey(Buffer.from(options.secret.replace(/^whsec_/, ''), 'base64'));
const idPrefix = `msg_${Date.now().toString(36)}`;

const pool = new Pool(target.origin, {
  connections: options.connections,
  pipelining: 1,
  allowH2: false,
  headersTimeout: 15_000,
  bodyTimeout: 15_000,
});

let lastId = 0;
let outstanding = 0;
let delivered = 0;
let failed = 0;
const held: (() => void)[] = [];

function finish(): void {
  outstanding--;
  if (held.length > 0 && outstanding < options.outstanding) held.shift()?.();
}

const handler: Dispatcher.DispatchHandler = {
  onRequestStart() {},
  onResponseStart(_controller, status) {
    if (status >= 200 && status < 300) delivered++;
    else failed++;
  },
  onResponseData() {},
  onResponseEnd: finish,
  onResponseError() {
    failed++;
    finish();
  },
};

function relay(id: string, message: MessageIn): void {
  const timestamp = String(Math.floor(Date.now() / 1000));
  const payload = JSON.stringify(message.payload);
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${payload}`).digest('base64');
  outstanding++;
  pool.dispatch(
    {
      path: target.pathname,
      method: 'POST',
      headers: [
        'content-type',
        'application/json',
        'webhook-id',
        id,
        'webhook-timestamp',
        timestamp,
        'webhook-signature',
        `v1,${signature}`,
      ],
      body: payload,
    },
    handler,
  );
}

function accept(response: ServerResponse, status: number, body: string): void {
  const answer = (): void => {
    response.writeHead(status, [
      'content-type',
      'application/json',
      'content-length',
      String(Buffer.byteLength(body)),
    ]);
    response.end(body);
  };
  if (outstanding < options.outstanding) answer();
  else held.push(answer);
}

function receive(path: string, body: Buffer, response: ServerResponse): void {
  const route = path.slice(path.lastIndexOf('/') + 1);
  if (route === 'msg?with_content=false') {
    const message = JSON.parse(body.toString()) as MessageIn;
    const id = idPrefix + (++lastId).toString(36);
    relay(id, message);
    accept(response, 202, `{"id":"${id}","eventType":${JSON.stringify(message.eventType)}}`);
  } else if (route === 'batch?with_content=false') {
    const { messages } = JSON.parse(body.toString()) as { messages: MessageIn[] };
    const ids: string[] = [];
    for (const message of messages) {
      const id = idPrefix + (++lastId).toString(36);
      relay(id, message);
      ids.push(id);
    }
    accept(response, 202, JSON.stringify({ ids }));
  } else {
    accept(response, 404, '{"code":"not_found"}');
  }
}

const server = createServer({ noDelay: true, requestTimeout: 0 }, (request, response) => {
  let first: Buffer | undefined;
  let rest: Buffer[] | undefined;
  request.on('data', (chunk: Buffer) => {
    if (first === undefined) first = chunk;
    else (rest ??= [first]).push(chunk);
  });
  request.on('end', () => {
    const body = rest === undefined ? (first ?? Buffer.alloc(0)) : Buffer.concat(rest);
    try {
      receive(request.url ?? '', body, response);
    } catch {
      accept(response, 400, '{"code":"invalid"}');
    }
  });
});

server.listen(0, '127.0.0.1', 4096, () => {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('relay has no port');
  serve(address.port, {
    counters: (): RelayCounters => ({ delivered, failed, outstanding }),
  });
});
