import type { ReceivedEvent, Sink } from '../contract.ts';
import { type Answer, answerJson, type Failure } from './answer.ts';
import { once, type Outcome, type Progress } from './once.ts';
import type { Handle, HandledEvent, HandlerContext, Reply } from './options.ts';
import type { Run } from './take.ts';
import { errorName, inSpan, reportError } from './watch.ts';

/**
 * Gives a verified event to the handler or the sink, once per key, and answers with how that ended;
 * or at the deadline, with what can be said by then, while the work goes on.
 */
export const handOver = async <Data>(
  run: Run<Data>,
  event: HandledEvent<Data>,
): Promise<Answer | Failure> => {
  const { set, about, tell, deadline } = run;
  let key: string | null;
  try {
    key = keyOf(run, event);
  } catch (error) {
    reportError(set, 'dedup.key or dedup.pass threw', error, event);
    return KEY_FAILED;
  }
  const progress: Progress = { stage: set.dedup && key !== null ? 'claiming' : 'working' };
  const startedAtMs = Date.now();
  const work = (signal: AbortSignal): Promise<Outcome> =>
    set.consumer.to === 'handler'
      ? handle(run, set.consumer.handle, event, { key, signal })
      : store(run, set.consumer.sink, event, key);
  const working =
    set.dedup && key !== null
      ? once(set.dedup, key, deadline.signal, progress, work, {
          overtaken: () =>
            tell({ ...about, kind: 'overtaken', id: event.id, durationMs: Date.now() - startedAtMs }),
          failed: (error) => reportError(set, 'the store of the deduplication failed', error, event),
        })
      : work(new AbortController().signal);

  const outcome = await deadline.race(working);
  if (outcome === 'late') run.outlive(working);
  const known = outcome === 'late' ? progress.outcome : outcome;
  if (known) return answerOf(run, event, known);
  if (progress.stage === 'claiming' || set.consumer.to === 'sink')
    return { code: 'store_unavailable', message: 'The store did not answer in time.' };
  if (!set.dedup)
    run.warnOnce(
      'a handler took longer than its deadline, so the sender will send again and it will run again. ' +
        'Pass dedup, and for long work a sink (an inbox or a queue) instead of handle.',
    );
  return { code: 'handler_timeout', message: 'The work goes on. Send again to learn how it ended.' };
};

const KEY_FAILED: Failure = {
  code: 'key_failed',
  message: 'The receiver cannot tell the key of this event. Its log says why.',
};

const keyOf = <Data>({ set, about, warnOnce }: Run<Data>, event: ReceivedEvent): string | null => {
  const { key, pass } = set.dedup ?? {};
  if (pass?.(event)) return null;
  const own = key ? key(event) : event.id;
  if (own === null && set.dedup && !key)
    warnOnce(`${about.source} gives its events no id, so they are not deduplicated. Pass dedup.key.`);
  return own === null ? null : `${about.source}:${own}`;
};

const handle = <Data>(
  { set, about, tell: tellRequest }: Run<Data>,
  handler: Handle<Data>,
  event: HandledEvent<Data>,
  context: HandlerContext,
): Promise<Outcome> => {
  const { id } = event;
  tellRequest({ ...about, kind: 'accepted', id, to: 'handler' });
  return inSpan(set, 'process', about, async (tell): Promise<Outcome> => {
    const startedAtMs = Date.now();
    const ended = () => ({ ...about, id, durationMs: Date.now() - startedAtMs, attempt: 1 });
    try {
      const reply = sendable((await handler(event, context)) ?? {});
      const { status = 200 } = reply;
      if (status >= 400) {
        tell({ ...ended(), kind: 'failed', error: `status ${status}` });
        return { kind: 'failed', reply };
      }
      tell({ ...ended(), kind: 'processed', ageMs: Date.now() - event.receivedAtMs });
      return { kind: 'processed', reply };
    } catch (error) {
      tell({ ...ended(), kind: 'failed', error: errorName(error) });
      reportError(set, 'a webhook handler threw', error, event);
      return { kind: 'failed' };
    }
  });
};

const store = async <Data>(
  { set, about, tell }: Run<Data>,
  sink: Sink,
  event: ReceivedEvent,
  key: string | null,
): Promise<Outcome> => {
  try {
    const put = await sink.put(event, key);
    if (put.kind === 'stored') tell({ ...about, kind: 'accepted', id: event.id, to: 'sink' });
    return put;
  } catch (error) {
    if ((error as { readonly code?: unknown } | null)?.code === 'key_failed') {
      const { message, cause = error } = error as Error;
      reportError(set, message, cause, event);
      return { kind: 'key_failed' };
    }
    reportError(set, 'the sink failed', error, event);
    return { kind: 'store_unavailable' };
  }
};

const answerOf = <Data>(
  { set, about, tell }: Run<Data>,
  { id }: ReceivedEvent,
  outcome: Outcome,
): Answer | Failure => {
  switch (outcome.kind) {
    case 'processed':
      return replied(outcome.reply, id);
    case 'stored':
      return answerJson(202, { status: 'stored', id });
    case 'duplicate':
      tell({ ...about, kind: 'duplicate', id });
      return answerJson(200, { status: 'duplicate', id });
    case 'busy':
      return {
        code: 'in_progress',
        message: 'The same event is being handled at this moment.',
        // Its lease may be long, and usually it ends far sooner.
        retryAfterMs: Math.min(outcome.retryAfterMs, set.retryAfterMs),
      };
    case 'full':
      return { code: 'full', message: 'The inbox is full.', retryAfterMs: outcome.retryAfterMs };
    case 'failed':
      return outcome.reply
        ? replied(outcome.reply, id)
        : { code: 'handler_failed', message: 'The handler failed. The receiver’s log says why.' };
    case 'store_unavailable':
      return { code: 'store_unavailable', message: 'The store cannot be reached.' };
    case 'key_failed':
      return KEY_FAILED;
    case 'abandoned':
      return { code: 'store_unavailable', message: 'The store did not answer in time.' };
  }
};

/** @throws TypeError for what no host could send: better that the handler fails than the process. */
const sendable = (reply: Reply): Reply => {
  const { status = 200, headers = {}, body = '' } = reply;
  if (!Number.isInteger(status) || status < 200 || status > 599)
    throw new TypeError('expected a status from 200 to 599 from the handler');
  if (typeof body !== 'string') throw new TypeError('expected a text as the body from the handler');
  // Its constructor refuses names and values that cannot travel.
  void new Headers(headers);
  return reply;
};

const replied = ({ status = 200, headers = {}, body }: Reply, id: string | null): Answer =>
  body === undefined
    ? answerJson(status, { status: status < 400 ? 'processed' : 'failed', id }, headers)
    : { status, headers, body };
