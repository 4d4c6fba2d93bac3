// Every command of docs/cli.md, in its order, in one shell session against a real server.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../ports.ts';
import { eventually, launcher, posthorn, temporaryDirectory } from './posthorn.ts';
import type { Posthorn } from './child.ts';
import { startRealServer, type RealServer } from './real-server.ts';

const page = fileURLToPath(new URL('../../../../docs/cli.md', import.meta.url));

type Block = { readonly kind: string; readonly lines: readonly string[] };

const blocksOf = (markdown: string): readonly Block[] =>
  [...markdown.matchAll(/^```sh ?(\w*)\n([^]*?)^```/gm)].map(([, kind = '', text = '']) => ({
    kind,
    lines: text.trimEnd().split('\n'),
  }));

let server: RealServer;
beforeAll(async () => {
  server = await startRealServer();
});
afterAll(() => server.close());

/** The example of the Standard Webhooks libraries, as captured; then with its body printed anew. */
const capture = (body: string): string =>
  [
    'POST /webhooks HTTP/1.1',
    'webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp: 1614265330',
    'webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    '',
    body,
  ].join('\r\n');

it('does what docs/cli.md says', async () => {
  const directory = await temporaryDirectory();
  await writeFile(`${directory}/captured.http`, capture('{"test": 2432232314}'));
  await writeFile(`${directory}/changed.http`, capture('{"test":2432232314}'));
  const port = String(await freePort());
  const background: Posthorn[] = [];

  const shell = (line: string): Promise<{ code: number; out: string; err: string }> =>
    new Promise((resolve) => {
      const { HOME, PATH } = process.env;
      execFile(
        'bash',
        ['-c', `posthorn() { '${process.execPath}' '${launcher}' "$@"; }\n${line}`],
        { cwd: directory, env: { HOME, PATH, ...server.env } },
        (error, out, err) => resolve({ code: error === null ? 0 : Number(error.code), out, err }),
      );
    });

  const blocks = blocksOf(await readFile(page, 'utf8'));
  expect(blocks.length).toBeGreaterThan(14);
  for (const { kind, lines } of blocks) {
    for (const written of lines) {
      const line = written.replaceAll(/\b3000\b/g, port);
      if (kind === 'background') {
        const [, ...args] = line.split(' ');
        const command = posthorn(args, { env: server.env });
        background.push(command);
        await command.said((out) => /receiver http|link up/.exec(out));
        continue;
      }
      const { code, out, err } = await shell(line);
      expect({ line, code, err: code === (kind === 'fails' ? 1 : 0) ? '' : `${out}${err}` }).toEqual({
        line,
        code: kind === 'fails' ? 1 : 0,
        err: '',
      });
      if (line.includes('--json'))
        expect(() =>
          out
            .trimEnd()
            .split('\n')
            .map((one) => JSON.parse(one) as unknown),
        ).not.toThrow();
    }
  }
  // What was triggered and sent arrived at the receiver.
  await eventually('webhooks at the receiver', async () => background[0]!.out().includes('200  msg_'));
  // The listener ends with its application, the receiver when it is told to.
  const [receiver, listener] = background;
  expect((await listener!.ended).code).toBe(1);
  receiver!.signal('SIGINT');
  expect((await receiver!.ended).code).toBe(0);
}, 120_000);
