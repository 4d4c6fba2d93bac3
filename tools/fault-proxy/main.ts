// The fault proxy as a program: docs/testing.md.
import { createServer, type IncomingMessage } from 'node:http';
import { parseArgs } from 'node:util';
import { startProxy, type Address } from './proxy.ts';
import { readToxics } from './toxics.ts';

const HELP = `node tools/fault-proxy/main.ts --to HOST:PORT [--listen HOST:PORT] [--control HOST:PORT] [TOXICS]

  --to         where the connections go
  --listen     where they come in (default: a free port on 127.0.0.1)
  --control    where it is told what to do (default: a free port on 127.0.0.1)
  TOXICS       how the wire behaves at first, as JSON: '{"latencyMs":200,"jitterMs":50}'

  curl CONTROL                                the toxics, and what has gone through
  curl -X PUT CONTROL -d '{"way":"silent"}'   these toxics instead of those before
  curl -X DELETE CONTROL                      a good wire again
  curl -X POST CONTROL                        resets every connection

  latencyMs jitterMs bytesPerSecond sliceBytes limitBytes
  way: through, silent (nothing gets through and nobody is told), refused (nobody listens)
`;

const fail = (why: string): never => {
  process.stderr.write(`fault-proxy: ${why}\n\n${HELP}`);
  process.exit(2);
};

const readFlags = () => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        to: { type: 'string' },
        listen: { type: 'string', default: '127.0.0.1:0' },
        control: { type: 'string', default: '127.0.0.1:0' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    return fail((error as Error).message);
  }
};

const addressOf = (name: string, text: string): Address => {
  const match = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) return fail(`--${name} is HOST:PORT, not "${text}"`);
  return { host: match[1] ?? match[2] ?? '', port };
};

const parseToxics = (text: string) => {
  try {
    return readToxics(JSON.parse(text));
  } catch {
    return `"${text}" is not JSON`;
  }
};

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
};

const { values, positionals } = readFlags();
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
if (values.to === undefined) fail('--to is missing');
const first = positionals.length === 0 ? {} : parseToxics(positionals.join(' '));
if (typeof first === 'string') fail(first);
const target = addressOf('to', values.to ?? '');
const proxy = await startProxy({ target, listen: addressOf('listen', values.listen) }).catch((error: Error) =>
  fail(`it cannot listen on ${values.listen}: ${error.message}`),
);
await proxy.set(typeof first === 'string' ? {} : first);

const act = async (request: IncomingMessage): Promise<{ readonly status: number; readonly body: object }> => {
  const state = () => ({ status: 200, body: { toxics: proxy.toxics(), ...proxy.counts() } });
  switch (request.method) {
    case 'GET':
      return state();
    case 'PUT': {
      const toxics = parseToxics(await bodyOf(request));
      if (typeof toxics === 'string') return { status: 422, body: { detail: toxics } };
      await proxy.set(toxics);
      return state();
    }
    case 'DELETE':
      await proxy.set({});
      return state();
    case 'POST':
      proxy.reset();
      return state();
    default:
      return { status: 405, body: { detail: 'GET, PUT, DELETE or POST' } };
  }
};

const control = createServer((request, response) => {
  void act(request).then(({ status, body }) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
  });
});
const at = addressOf('control', values.control);
control.once('error', (error) => fail(`it cannot be told at ${values.control}: ${error.message}`));
control.listen(at.port, at.host, () => {
  const address = control.address();
  const port = typeof address === 'object' && address !== null ? address.port : at.port;
  const line = { listens: `${proxy.host}:${proxy.port}`, control: `http://${at.host}:${port}/` };
  process.stdout.write(`${JSON.stringify(line)}\n`);
});
