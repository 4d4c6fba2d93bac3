// The contract of ../contract.ts through the official JavaScript SDK: `node program.ts 2` or `1`.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

// The two generations name a few methods differently; their types would be two programs.
// oxlint-disable-next-line typescript/no-explicit-any
type Any = any;

const { POSTHORN_URL: serverUrl, POSTHORN_TOKEN, RECEIVER_URL = '', ARRIVALS = '' } = process.env;
const isFirst = process.argv[2] === '1';
const sdk: Any = await import(isFirst ? 'svix-v1' : 'svix');
const [upsert, setHeaders, eventTypes] = isFirst
  ? ['update', 'updateHeaders', 'filterTypes']
  : ['upsert', 'setHeaders', 'eventTypes'];

const connect = (token: unknown): Any => new sdk.Svix(token, { serverUrl });
const svix = connect(POSTHORN_TOKEN);
const { application, endpoint, eventType, message, messageAttempt } = svix;
const report: Record<string, unknown> = {};

/** What the SDK throws for an answer that is an error. */
const failure = async (work: Promise<unknown>): Promise<unknown> => {
  try {
    await work;
    return 'no error';
  } catch (error) {
    if (!(error instanceof sdk.ApiException)) return `not an ApiException: ${String(error)}`;
    const { code: status, body } = error as Any;
    return { status, ...body };
  }
};

const until = async <T>(ask: () => Promise<T>, isWanted: (answer: T) => boolean): Promise<T> => {
  const endMs = Date.now() + 30_000;
  for (;;) {
    const answer = await ask();
    if (isWanted(answer)) return answer;
    if (Date.now() > endMs) throw new Error(`still ${JSON.stringify(answer)}`);
    await sleep(20);
  }
};

/** What the receiver took, verified with the SDK. */
const delivered = async (id: string, secret: string): Promise<Any> => {
  const path = join(ARRIVALS, id);
  await until(
    async () => existsSync(`${path}.headers`),
    (isThere) => isThere,
  );
  const lines = readFileSync(`${path}.headers`, 'utf8').trimEnd().split('\n');
  const headers = Object.fromEntries(lines.map((line) => line.split(/: (.*)/)));
  const body = readFileSync(`${path}.body`, 'utf8');
  const webhook = new sdk.Webhook(secret);
  webhook.verify(body, headers);
  let forged = 'taken';
  try {
    webhook.verify(`${body} `, headers);
  } catch (error) {
    if (error instanceof sdk.WebhookVerificationError) forged = 'refused';
  }
  return { body, contentType: headers['content-type'], tenant: headers['x-tenant'] ?? null, forged };
};

const list = (page: Any, show: (item: Any) => unknown): unknown[] => page.data.map(show);
const standing = ({ status, statusText }: Any): unknown => ({ status, statusText });

// Applications
const app = await application.create({ name: 'Customer', uid: 'sdk', metadata: { plan: 'gold' } });
const showApp = ({ name, uid, metadata }: Any): unknown => ({ name, uid, metadata });
report['application.create'] = { ...(showApp(app) as object), id: app.id.slice(0, 4) };
const same = await application.getOrCreate({ name: 'Other', uid: 'sdk' });
report['application.getOrCreate'] = { name: same.name, same: same.id === app.id };
await application.patch('sdk', { name: 'Patched' });
report['application.patch'] = showApp(await application.get('sdk'));
report['application.upsert'] = showApp(await application[upsert]('sdk', { name: 'Updated', uid: 'sdk' }));
await application.create({ name: 'Second', uid: 'second' });
const firstPage = await application.list({ limit: 1 });
const secondPage = await application.list({ limit: 1, iterator: firstPage.iterator });
report['application.list'] = [firstPage, secondPage].map((page) => [
  ...list(page, ({ uid }) => uid),
  page.done,
]);
await application.delete('second');
report['application.delete'] = await failure(application.get('second'));

// Event types
const paid = await eventType.create({ name: 'invoice.paid', description: 'An invoice was paid' });
report['eventType.create'] = {
  name: paid.name,
  description: paid.description,
  archived: paid.archived,
  deprecated: paid.deprecated,
};
await eventType.create({ name: 'invoice.void', description: 'Void' });
const voided = await eventType[upsert]('invoice.void', { description: 'Voided' });
report['eventType.upsert'] = voided.description;
const patchedType = await eventType.patch('invoice.void', { deprecated: true });
report['eventType.patch'] = { description: patchedType.description, deprecated: patchedType.deprecated };
report['eventType.list'] = list(await eventType.list(), ({ name }) => name);
await eventType.delete('invoice.void');
report['eventType.delete'] = {
  listed: list(await eventType.list(), ({ name }) => name),
  archived: (await eventType.get('invoice.void')).archived,
};
report['eventType.conflict'] = await failure(
  eventType.create({ name: 'invoice.paid', description: 'Again' }),
);

// Endpoints
const main = await endpoint.create('sdk', {
  url: `${RECEIVER_URL}/take`,
  uid: 'main',
  description: 'Main',
  [eventTypes]: ['invoice.paid'],
  channels: ['eu'],
  metadata: { team: 'a' },
  headers: { 'x-tenant': 'acme' },
});
const showEndpoint = (one: Any): unknown => ({
  uid: one.uid,
  path: one.url.replace(RECEIVER_URL, ''),
  description: one.description,
  eventTypes: one[eventTypes],
  channels: one.channels,
  metadata: one.metadata,
  disabled: one.disabled,
});
report['endpoint.create'] = showEndpoint(main);
report['endpoint.getHeaders'] = await endpoint.getHeaders('sdk', 'main');
await endpoint[setHeaders]('sdk', 'main', { headers: { 'x-region': 'eu', authorization: 'secret' } });
report['endpoint.setHeaders'] = await endpoint.getHeaders('sdk', 'main');
await endpoint.patchHeaders('sdk', 'main', {
  headers: { 'x-tenant': 'acme' },
  deleteHeaders: ['authorization'],
});
report['endpoint.patchHeaders'] = await endpoint.getHeaders('sdk', 'main');
await endpoint.patch('sdk', 'main', { description: 'Patched' });
report['endpoint.patch'] = showEndpoint(await endpoint.get('sdk', 'main'));
report['endpoint.upsert'] = showEndpoint(
  await endpoint[upsert]('sdk', 'main', {
    url: `${RECEIVER_URL}/take`,
    uid: 'main',
    description: 'Updated',
    [eventTypes]: ['invoice.paid'],
    channels: ['eu'],
  }),
);
const before = (await endpoint.getSecret('sdk', 'main')).key;
await endpoint.rotateSecret('sdk', 'main', {});
const secret = (await endpoint.getSecret('sdk', 'main')).key;
report['endpoint.rotateSecret'] = { prefix: secret.slice(0, 6), changed: secret !== before };

// A message, with and without its content, and its delivery
const payload = { invoice: 42, name: 'Zoë' };
const sent = await message.create('sdk', {
  eventType: 'invoice.paid',
  eventId: 'event-1',
  channels: ['eu'],
  payload,
});
const showMessage = (one: Any): unknown => ({
  eventType: one.eventType,
  eventId: one.eventId,
  channels: one.channels,
});
report['message.create'] = { ...(showMessage(sent) as object), id: sent.id.slice(0, 4) };
report['delivery'] = await delivered(sent.id, secret);
const withContent = await message.get('sdk', sent.id, { withContent: true });
const withoutContent = await message.get('sdk', 'event-1', { withContent: false });
report['message.get'] = [withContent.payload, withoutContent.payload, withoutContent.id === sent.id];
const count = async (options: object): Promise<number> => (await message.list('sdk', options)).data.length;
const anHourAgo = new Date(Date.now() - 3_600_000);
report['message.list'] = {
  withContent: list(await message.list('sdk', { withContent: true }), (one) => one.payload),
  withoutContent: list(await message.list('sdk', { withContent: false }), (one) => one.payload),
  channel: [await count({ channel: 'eu' }), await count({ channel: 'us' })],
  eventTypes: [await count({ eventTypes: ['invoice.paid'] }), await count({ eventTypes: ['other'] })],
  time: [await count({ after: anHourAgo }), await count({ before: anHourAgo })],
};

// Attempts
const attemptsOf = (id: string, options: object = {}): Promise<Any> =>
  messageAttempt.listByMsg('sdk', id, options);
const attempts = (
  await until(
    () => attemptsOf(sent.id, { withContent: true }),
    ({ data }) => data.length === 1,
  )
).data;
const showAttempt = (one: Any): unknown => ({
  ...(standing(one) as object),
  code: one.responseStatusCode,
  trigger: one.triggerType,
  response: one.response,
  path: one.url.replace(RECEIVER_URL, ''),
});
report['messageAttempt.listByMsg'] = attempts.map(showAttempt);
report['messageAttempt.withoutContent'] = list(
  await attemptsOf(sent.id, { withContent: false }),
  (one) => one.response,
);
report['messageAttempt.listByEndpoint'] = list(
  await messageAttempt.listByEndpoint('sdk', 'main', { withContent: true }),
  (one) => [one.id === attempts[0].id, one.msgId === sent.id, one.endpointId === main.id],
);
report['messageAttempt.get'] = showAttempt(await messageAttempt.get('sdk', sent.id, attempts[0].id));
report['messageAttempt.listAttemptedDestinations'] = list(
  await messageAttempt.listAttemptedDestinations('sdk', sent.id),
  (one) => ({ uid: one.uid, ...(standing(one) as object) }),
);
report['messageAttempt.listAttemptedMessages'] = list(
  await messageAttempt.listAttemptedMessages('sdk', 'main'),
  (one) => ({ eventId: one.eventId, ...(standing(one) as object) }),
);
await messageAttempt.resend('sdk', sent.id, 'main');
const resent = await until(
  () => attemptsOf(sent.id),
  ({ data }) => data.length === 2,
);
report['messageAttempt.resend'] = list(resent, (one) => [one.status, one.triggerType]);
const stats = await endpoint.getStats('sdk', 'main');
report['endpoint.getStats'] = {
  hasSuccess: stats.success > 0,
  rest: [stats.fail, stats.pending, stats.sending, stats.canceled],
};

// A body that no parser prints again like this
const raw = {
  ...sdk.messageInRaw('invoice.paid', '{ "ü": 1.0 }', 'application/vnd.api+json'),
  channels: ['eu'],
};
report['messageInRaw'] = await delivered((await message.create('sdk', raw)).id, secret);

// What failed is recovered
const broken = await endpoint.create('sdk', {
  url: `${RECEIVER_URL}/refuse`,
  uid: 'broken',
  channels: ['us'],
});
const lost = await message.create('sdk', { eventType: 'invoice.paid', channels: ['us'], payload });
const failed = await until(
  () => attemptsOf(lost.id, { withContent: true }),
  ({ data }) => data.length === 1,
);
report['failure'] = {
  attempts: list(failed, showAttempt),
  byStatus: [
    (await attemptsOf(lost.id, { status: 2 })).data.length,
    (await attemptsOf(lost.id, { status: 0 })).data.length,
  ],
};
await endpoint.patch('sdk', 'broken', { url: `${RECEIVER_URL}/take` });
const task = await endpoint.recover('sdk', 'broken', { since: new Date(lost.timestamp.getTime() - 1_000) });
report['endpoint.recover'] = { task: task.task, id: task.id.slice(0, 6) };
report['recovered'] = await delivered(lost.id, (await endpoint.getSecret('sdk', broken.id)).key);
const done = await until(
  () => svix.backgroundTask.get(task.id),
  ({ status }: Any) => status === 'finished',
);
report['backgroundTask.get'] = { task: done.task, status: done.status, same: done.id === task.id };
const recovered = await until(
  () => attemptsOf(lost.id),
  ({ data }) => data.length === 2,
);
report['recovered.attempts'] = list(recovered, standing);

// The customer's own token
const access = await svix.authentication.appPortalAccess('sdk', { featureFlags: [] });
const customer = connect(access.token);
report['authentication.appPortalAccess'] = {
  scheme: access.url.slice(0, 4),
  name: (await customer.application.get('sdk')).name,
  endpoints: list(await customer.endpoint.list('sdk'), (one) => one.uid),
  list: await failure(customer.application.list()),
};

// Errors
report['errors'] = {
  notFound: await failure(message.create('nobody', { eventType: 'invoice.paid', payload })),
  conflict: await failure(message.create('sdk', { eventType: 'invoice.paid', eventId: 'event-1', payload })),
  exists: await failure(application.create({ name: 'Twice', uid: 'sdk' })),
  invalid: await failure(application.create({ name: '', uid: 'a b' })),
  unauthorized: await failure(connect('wrong').application.list()),
};

// Idempotency keys
const keyed = (text: string, idempotencyKey: string): Promise<Any> =>
  message.create('sdk', { eventType: 'invoice.paid', payload: { text } }, { idempotencyKey });
const first = await keyed('a', 'key-1');
const differs: Any = await failure(keyed('b', 'key-1'));
report['idempotency'] = {
  sameKey: (await keyed('a', 'key-1')).id === first.id,
  otherKey: (await keyed('a', 'key-2')).id === first.id,
  otherBody: [differs.status, differs.detail[0].loc],
};

// 300 messages, forth and back
await application.create({ name: 'Pages', uid: 'pages' });
for (let i = 0; i < 300; i++)
  await message.create('pages', { eventType: 'page', eventId: `page-${i}`, payload: { i } });
const seen: string[] = [];
let page: Any = { iterator: undefined };
let pages = 0;
do {
  page = await message.list('pages', { limit: 70, iterator: page.iterator, withContent: false });
  seen.push(...page.data.map((one: Any) => one.eventId));
  pages += 1;
} while (!page.done);
const back = await message.list('pages', { limit: 70, iterator: page.prevIterator });
report['pagination'] = {
  pages,
  seen: seen.length,
  newestFirst: seen.every((id, index) => id === `page-${299 - index}`),
  back: [back.data.length, back.data[0].eventId, back.data.at(-1).eventId],
};

// Endings
await message.expungeContent('sdk', sent.id);
report['message.expungeContent'] = (await message.get('sdk', sent.id, { withContent: true })).payload;
await endpoint.delete('sdk', 'main');
report['endpoint.delete'] = await failure(endpoint.get('sdk', 'main'));

process.stdout.write(JSON.stringify(report));
