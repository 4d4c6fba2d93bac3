// Receives webhooks: verify, store once, answer at once, work in the background.
// Node 22.18 or later, with the library of Standard Webhooks:
//
//   npm install standardwebhooks
//   WEBHOOK_SECRET=whsec_... node with-library.ts
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { link, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';

const webhook = new Webhook(process.env['WEBHOOK_SECRET'] ?? '');
const PORT = Number(process.env['PORT'] ?? 3000);
const INBOX = process.env['INBOX'] ?? 'inbox';
const LARGEST_BODY_BYTES = 1024 * 1024;

const isGenuine = (headers: IncomingHttpHeaders, body: Buffer): boolean => {
  try {
    webhook.verify(body, headers as Record<string, string>, { jsonParse: false });
    return true;
  } catch {
    return false; // More than WebhookVerificationError: a malformed header throws others.
  }
};

/** True once the event is on disk; false when it was there before, handled or not. */
const store = async (id: string, body: Buffer): Promise<boolean> => {
  if (existsSync(`${INBOX}/done/${id}`)) return false;
  const draft = `${INBOX}/${randomUUID()}`;
  const file = await open(draft, 'wx');
  try {
    await file.writeFile(body);
    await file.sync();
    await link(draft, `${INBOX}/waiting/${id}`); // Only one of two at the same time gets the name.
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await file.close();
    await rm(draft);
  }
};

const handle = async (id: string, body: Buffer): Promise<void> => {
  await sleep(500); // Your work; nobody waits for it.
  console.log('handled', id, body.toString());
};

const work = async (): Promise<void> => {
  for (;;) {
    for (const id of (await readdir(`${INBOX}/waiting`)).toSorted()) {
      const event = `${INBOX}/waiting/${id}`;
      try {
        if (!existsSync(`${INBOX}/done/${id}`)) await handle(id, await readFile(event));
        await rename(event, `${INBOX}/done/${id}`);
      } catch (error) {
        console.error(error); // It stays where it is and is tried again.
      }
    }
    await sleep(200);
  }
};

const receive = async (request: AsyncIterable<Buffer>, headers: IncomingHttpHeaders): Promise<number> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes <= LARGEST_BODY_BYTES) chunks.push(chunk);
  }
  if (bytes > LARGEST_BODY_BYTES) return 413;
  const body = Buffer.concat(chunks);
  const id = String(headers['webhook-id']);
  if (!/^[\w-]{1,100}$/.test(id) || !isGenuine(headers, body)) return 401;
  return (await store(id, body)) ? 202 : 200;
};

for (const folder of ['waiting', 'done']) mkdirSync(`${INBOX}/${folder}`, { recursive: true });
void work();
createServer((request, response) => {
  receive(request, request.headers).then(
    (status) => response.writeHead(status).end(),
    (error: unknown) => {
      console.error(error);
      response.writeHead(500).end(); // Not stored: the sender tries again.
    },
  );
}).listen(PORT, '127.0.0.1');
