import type { IncomingRequest, ReceivedEvent, Seen, Source } from '../contract.ts';
import { header } from '../headers.ts';
import { checkBody, type Checked } from '../schema/index.ts';
import type { Answer, Failure } from './answer.ts';
import { type Deadline, deadlineIn } from './deadline.ts';
import { makeEvent } from './event.ts';
import type { Settings } from './options.ts';
import { type BodyRead, type HttpRequest, tooLarge, tooSlow } from './request.ts';
import type { About } from './watch.ts';
import { handOver } from './work.ts';

/** What goes along with one request. */
export type Run<Data> = {
  readonly set: Settings<Data>;
  readonly about: About;
  readonly tell: Seen;
  readonly warnOnce: (text: string) => void;
  /** For work that goes on after the answer. */
  readonly outlive: (work: Promise<unknown>) => void;
  readonly deadline: Deadline;
};

/** From a request to the answer or the reason why not, in the order of what costs least. */
export const take = async <Data>(
  run: Run<Data>,
  source: Source | undefined,
  request: HttpRequest,
): Promise<Answer | Failure> => {
  const { set, about, tell, deadline } = run;
  const receivedAtMs = Date.now();
  if (request.method !== 'POST')
    return { code: 'method_not_allowed', message: 'Webhooks come by POST.', headers: { allow: 'POST' } };
  if (!source)
    return { code: 'unknown_source', message: 'There is no source of this name. Look at the URL’s end.' };

  const allowed = await deadline.race(set.allow?.check(request) ?? Promise.resolve({ ok: true } as const));
  if (allowed === 'late') return late('addresses_unavailable', 'The allow-list did not answer in time.');
  if (!allowed.ok) return allowed;

  const body = await readBody(run, request);
  if (body.kind === 'refused') return body;
  tell({ ...about, kind: 'received', bytes: body.bytes.length });

  const incoming = incomingOf(request, body.bytes);
  const verified = await deadline.race(source.check(incoming));
  if (verified === 'late')
    return late('keys_unavailable', 'What the sender is checked with did not come in time.');
  if (!verified.ok) return verified;

  const challenge = source.challenge?.(incoming);
  if (challenge)
    return { status: 200, headers: { 'content-type': challenge.contentType }, body: challenge.body };

  const event = makeEvent(about.source, incoming, verified, receivedAtMs);
  const checked = await deadline.race(checkData(set, event));
  if (checked === 'late') return { code: 'handler_timeout', message: 'The schema did not answer in time.' };
  return checked.ok ? handOver(run, { ...event, data: checked.data }) : checked;
};

const late = (code: 'addresses_unavailable' | 'keys_unavailable', message: string): Failure => ({
  code,
  message,
  log: message,
});

const readBody = async <Data>(
  { set: { maxBytes, readTimeoutMs = Infinity }, deadline }: Run<Data>,
  { headers, read }: HttpRequest,
): Promise<BodyRead> => {
  if (Number(header(headers, 'content-length')) > maxBytes) return tooLarge(maxBytes);
  const patience = deadlineIn(Math.min(readTimeoutMs, deadline.leftMs()));
  const body = await patience.race(read({ maxBytes, signal: patience.signal }));
  patience.stop();
  return body === 'late' ? tooSlow() : body;
};

const incomingOf = (
  { method, url, headers, peerAddress }: HttpRequest,
  body: Uint8Array,
): IncomingRequest => ({ method, url, headers, body, ...(peerAddress === undefined ? {} : { peerAddress }) });

// Without a schema there is no data, and `Data` is undefined.
const checkData = async <Data>({ schema }: Settings<Data>, event: ReceivedEvent): Promise<Checked<Data>> =>
  schema ? checkBody(schema, event.body, event.contentType) : { ok: true, data: undefined as Data };
