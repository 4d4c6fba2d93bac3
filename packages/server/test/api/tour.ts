// Every operation of the API's store once, with what is there: so that every statement runs and finds something.
import { randomBytes } from 'node:crypto';
import { idFloor } from '../../src/domain/ids.ts';
import { addApplication, addAttempt, addClosed, addEndpoint, addLive, addMessage } from './fixtures.ts';
import type { Harness } from './harness.ts';

const DAY_MS = 86_400_000;
const MANY = 10_001;

const key = () => ({ kind: 'hmac256' as const, key: randomBytes(32) });

/** Works with everything that an organisation has. Ends with rows of every kind in every table of tenants. */
export const tourTheStore = async (harness: Harness): Promise<void> => {
  const { store, org, pool, ids, nowMs } = harness;
  const now = nowMs();
  const app = await addApplication(harness, 'ours');
  const endpoint = await addEndpoint(harness, app, { uid: 'an-endpoint', headers: { 'x-ours': 'secret' } });
  const busy = await addEndpoint(harness, app, { throttleRate: 1 });
  // Somebody listens to what becomes of these.
  await harness.call('POST', '/operational-webhook/endpoint', { body: { url: 'https://hooks.test/' } });
  const path = { orgId: org, applicationId: app };
  const at = { ...path, endpointId: endpoint };
  const message = await addMessage(harness, app, { eventId: 'an-event', tags: ['t'], channels: ['c'] });
  const lone = await addMessage(harness, app, { eventId: 'another' });
  const attempt = await addAttempt(harness, app, endpoint, message, { final: 'succeeded' });
  const dead = await addMessage(harness, app);
  const letter = { ...at, messageId: dead };
  await addClosed(harness, app, endpoint, dead);
  await addClosed(harness, app, endpoint, lone, { letter: 'open' });
  await addLive(harness, app, endpoint, message);
  const review = { atMs: now, by: org, note: 'seen' };

  // Applications.
  await store.applications.find(org, app);
  await store.applications.find(org, 'ours');
  await store.applications.resolve(org, [app, 'ours']);
  const up = { ascending: true, from: null, limit: 2 };
  const down = { ...up, ascending: false };
  const none = { withEndpoints: false, withEnabledEndpoints: false };
  const some = { withEndpoints: true, withEnabledEndpoints: true };
  for (const walk of [up, down])
    for (const filter of [none, some]) await store.applications.list(org, walk, filter);
  await store.applications.create(
    org,
    ids('application'),
    { uid: null, name: 'a', rateLimit: null, metadata: {} },
    now,
  );
  await store.applications.update(path, { name: 'renamed' }, now);
  const leaving = await addApplication(harness, 'leaving');
  await addEndpoint(harness, leaving);
  await store.applications.remove({ orgId: org, applicationId: leaving }, now);

  // Endpoints.
  await store.endpoints.find(path, endpoint);
  await store.endpoints.find(path, 'an-endpoint');
  for (const walk of [up, down]) await store.endpoints.list(path, walk);
  await store.endpoints.anyFor(path, { eventType: 'user.created', channels: null });
  await store.endpoints.update(at, { url: 'https://moved.test/', key: key() }, now);
  await store.endpoints.pause(at, { untilMs: null, reason: 'work' }, now);
  await store.endpoints.pause(at, null, now);
  await store.endpoints.keys(at);
  await store.endpoints.rotate(at, key(), now + 1000, now);
  await store.endpoints.headers(at);
  await store.endpoints.changeHeaders(at, (headers) => ({ ...headers, 'x-more': '1' }), now);
  const removed = await addEndpoint(harness, app);
  await store.endpoints.remove({ ...at, endpointId: removed }, now);
  await addAttempt(harness, app, busy, message);
  await pool.query(
    `insert into live (msg_id, endpoint_id, app_id, org_id, partition, state, due_at, bytes)
     values ($1, $2, $3, $4, 1, 'waiting', now() - interval '1 minute', 2)`,
    [dead, busy, app, org],
  );
  for (let n = 0; n < 5; n++) await addAttempt(harness, app, busy, message);
  await store.endpoints.throttledSinceMs({ ...at, endpointId: busy });

  // Event types and settings.
  const fields = {
    description: 'd',
    archived: false,
    deprecated: false,
    schemas: { 1: { title: 'ours' } },
    featureFlags: null,
    groupName: null,
    retryPolicy: null,
    priority: null,
  };
  await store.eventTypes.create(org, 'ours.created', fields, now);
  await store.eventTypes.upsert(org, 'ours.put', fields, now);
  await store.eventTypes.update(org, 'ours.put', { description: 'e' }, now);
  await store.eventTypes.find(org, 'ours.put');
  const seeAll = { archived: true, withSchemas: true, featureFlags: null };
  for (const walk of [up, down]) {
    await store.eventTypes.list(org, walk, seeAll);
    await store.eventTypes.list(org, walk, { ...seeAll, archived: false, featureFlags: ['f'] });
  }
  await store.eventTypes.missing(org, ['ours.put', 'nobody']);
  await store.eventTypes.writeMany(org, [{ name: 'ours.many', fields }], ['ours.created'], now);
  await store.eventTypes.remove(org, 'ours.many', false, now);
  await store.eventTypes.remove(org, 'ours.many', true, now);
  await store.environments.write(org, [{ name: 'ours.imported', fields }], { displayName: 'Ours' }, now);
  await store.environments.read(org);
  await store.environments.settings(org);

  // Messages.
  const window = { low: '', high: '~', oldestFirst: false };
  const all = { eventTypes: null, channel: null, tag: null };
  const few = { eventTypes: ['nobody'], channel: null, tag: null };
  await store.messages.find(path, message, true);
  await store.messages.find(path, 'an-event', true);
  for (const oldestFirst of [true, false])
    for (const filter of [all, few])
      await store.messages.list(path, { ...window, oldestFirst }, filter, 2, true);
  await store.messages.byIds(path, [message], true);
  await store.messages.retentionHours({ ...path, messageId: message });
  const wiped = await addMessage(harness, app, { eventId: 'wiped' });
  await store.messages.expunge({ ...path, messageId: wiped });
  await store.messages.expungeMany(path, [wiped, 'wiped']);

  // Attempts and deliveries.
  const anything = { ...all, status: null, codeClass: null, endpointId: null };
  const nothing = { ...few, status: 2 as const, codeClass: null, endpointId: null };
  const ofMessage = { ...path, messageId: message };
  for (const oldestFirst of [true, false])
    for (const filter of [anything, nothing]) {
      await store.attempts.byEndpoint(at, { ...window, oldestFirst }, filter, 2, true);
      await store.attempts.byMessage(ofMessage, { ...window, oldestFirst }, filter, 2, true);
    }
  await store.attempts.countByEndpoint(at, window, anything);
  await store.attempts.find(ofMessage, attempt);
  for (const walk of [up, down]) await store.attempts.destinationsOf(ofMessage, walk);
  await store.attempts.stats(at, now - DAY_MS, now + 1000);
  const everyDelivery = { ...all, status: null };
  for (const oldestFirst of [true, false]) {
    await store.attempts.deliveriesOf(at, { ...window, oldestFirst }, everyDelivery, 2);
    await store.attempts.deliveriesOf(at, { ...window, oldestFirst }, { ...everyDelivery, tag: 't' }, 2);
  }
  await store.attempts.expunge(ofMessage, attempt);

  // The same where there is very much: other statements look then.
  const crowded = await addApplication(harness, 'crowded');
  const popular = await addEndpoint(harness, crowded);
  const storm = await addMessage(harness, crowded);
  const base = idFloor('message', now).slice(4, 24);
  await pool.query(
    `insert into live (msg_id, endpoint_id, app_id, org_id, partition, state, due_at, bytes)
     select 'msg_' || $1 || lpad(n::text, 7, '0'), $2, $3, $4, 1, 'waiting', now(), 2 from generate_series(1, $5) n`,
    [base, popular, crowded, org, MANY],
  );
  await pool.query(
    `insert into message (id, app_id, org_id, event_type, payload, content_type, retention_days, created_at)
     select 'msg_' || $1 || lpad(n::text, 7, '0'), $2, $3, 'a', '{}', 'application/json', 90, now() from generate_series(1, 9) n`,
    [base, crowded, org],
  );
  await pool.query(
    `insert into attempt (id, org_id, app_id, msg_id, endpoint_id, run, status, final, trigger, response_status, duration_ms, url, event_type, created_at)
     select 'atmpt_' || $1 || lpad(n::text, 7, '0'), $2, $3, $4, $5, 0, 0, case n when 1 then 'succeeded' end, 0, 200, 1, 'u', 'a', now()
     from generate_series(1, $6) n`,
    [base, org, crowded, storm, popular, MANY],
  );
  const inCrowd = { orgId: org, applicationId: crowded };
  for (const oldestFirst of [true, false])
    await store.attempts.deliveriesOf(
      { ...inCrowd, endpointId: popular },
      { ...window, oldestFirst },
      everyDelivery,
      2_000,
    );
  for (const walk of [up, down]) await store.attempts.destinationsOf({ ...inCrowd, messageId: storm }, walk);

  // Dead letters.
  const letters = {
    endpointId: null,
    eventTypes: null,
    state: null,
    reason: null,
    reviewed: null,
    sinceMs: null,
    untilMs: null,
  };
  await store.deadLetters.applicationsWithOpen(org);
  for (const walk of [up, down])
    for (const endpointId of [null, endpoint])
      await store.deadLetters.list(path, { ...letters, endpointId }, walk);
  await store.deadLetters.find(letter);
  await store.deadLetters.review(letter, review);
  await store.deadLetters.replace({ ...letter, run: 0 }, ids('message'), review);
  await store.deadLetters.replay({ ...at, messageId: lone }, review);
  const other = await addMessage(harness, app);
  await addClosed(harness, app, endpoint, other);
  await store.deadLetters.discard({ ...at, messageId: other }, review);

  // What a dead letter has stopped.
  const strict = await addEndpoint(harness, app, { poisonPolicy: 'block' });
  const stopped = { ...at, endpointId: strict };
  const [poison, cured] = [await addMessage(harness, app), await addMessage(harness, app)];
  for (const orderKey of ['k', 'l']) {
    const messageId = orderKey === 'k' ? poison : await addMessage(harness, app);
    await addClosed(harness, app, strict, messageId);
    await pool.query(`update closed set blocks = true, order_key = $2, seq = 1 where msg_id = $1`, [
      messageId,
      orderKey,
    ]);
  }
  await pool.query(
    `insert into live (msg_id, endpoint_id, app_id, org_id, partition, state, priority, due_at, bytes, order_key, seq)
     values ($1, $2, $3, $4, 1, 'waiting', 4, now(), 2, 'k', 2)`,
    [cured, strict, app, org],
  );
  for (const walk of [up, down]) await store.blockedKeys.list(stopped, walk);
  await store.deadLetters.replace({ ...stopped, messageId: poison, run: 0 }, cured, review);
  await store.blockedKeys.release(stopped, 'l');
  await store.endpoints.update(stopped, { poisonPolicy: 'skip' }, now);

  // Statistics.
  await pool.query(
    `insert into statistic_hour select $1, date_trunc('hour', now()), 'a', $2, $3, 1, 1, 1, 1, 1`,
    [endpoint, app, org],
  );
  await pool.query(`insert into statistic_minutes select $1, date_trunc('hour', now()), 'a', $2, 1, 1, 1`, [
    app,
    org,
  ]);
  const hour = 3_600_000;
  const range = {
    sinceMs: Math.floor(now / hour) * hour - hour,
    untilMs: Math.floor(now / hour) * hour + hour,
    eventTypes: null,
  };
  await store.statistics.attempts(path, { ...range, step: 'hour' });
  await store.statistics.attempts(path, { ...range, step: 'five_minutes' });
  await store.statistics.endpoints(org, true);
  await store.statistics.activeApplications(org, { withoutPlay: true, withoutDisabled: true });

  // Pollers.
  const consumer = { orgId: org, endpointId: endpoint, protocol: 1 as const, name: 'reports' };
  const state = { position: 'p', handed: [], firstOffset: 0, behind: null, leaseUntilMs: 0 };
  await store.pollers.save(consumer, null, state, 5);
  await store.pollers.save(consumer, 0, { ...state, position: 'q' }, 5);
  await store.pollers.find(consumer);
  await store.pollers.oldestWriterMs();

  // Background tasks: each kind, to its end.
  const input = {
    endpointId: endpoint,
    sinceMs: now - DAY_MS,
    untilMs: now + 60_000,
    eventTypes: null,
    channel: null,
    tag: null,
    status: null,
  };
  const body = {
    eventType: 'a',
    eventId: null,
    channels: null,
    tags: null,
    payloadBase64: 'e30=',
    contentType: 'application/json',
    payloadRetentionHours: 24,
    occurredAtMs: null,
  };
  const perApplication = [
    'endpoint.cancel',
    'endpoint.replay',
    'endpoint.bulk-replay',
    'endpoint.recover',
    'application.replay',
    'application.purge_content',
  ] as const;
  const ofAll = ['application.stats', 'event-type.aggregate', 'sdk.generate', 'message.broadcast'] as const;
  let last = '';
  for (const kind of [...perApplication, ...ofAll]) {
    last = ids('task');
    const isOfAll = (ofAll as readonly string[]).includes(kind);
    await store.tasks.create({
      id: last,
      path: { orgId: org, applicationId: isOfAll ? null : app },
      kind,
      input: kind === 'message.broadcast' ? { ...input, message: body } : input,
      nowMs: now,
    });
    await harness.runTasks(500, async () => ids('message'));
  }
  await store.tasks.find(org, last);
  await store.tasks.items({ orgId: org, taskId: last }, null, 5);
  for (const walk of [up, down]) {
    await store.tasks.list(org, walk, { status: null, kinds: ['endpoint.recover'] });
    await store.tasks.list(org, walk, { status: 'finished', kinds: [...perApplication, ...ofAll] });
  }
  const ending = { id: ids('task'), path, kind: 'endpoint.recover' as const, input, nowMs: now };
  await store.tasks.create(ending);
  await store.tasks.cancel(org, ending.id);
  const failing = { id: ids('task'), path, kind: 'application.purge_content' as const, nowMs: now };
  await store.tasks.create({ ...failing, input: { ...input, untilMs: 8_640_000_000_000_000 } });
  await harness.runTasks();

  // What is nobody's in particular.
  await store.ping();
  await store.cluster();
  const posted = await store.notices.post('00000000-0000-4000-8000-000000000001', [endpoint]);
  await store.notices.pending(posted);
  const entry = { scope: `${org} POST /app`, key: 'k', requestHash: 'h' };
  await store.idempotency.begin(entry, 1000, 1000);
  await store.idempotency.begin({ ...entry, requestHash: 'i' }, 60_000, 60_000);
  await store.idempotency.finish(entry, 200, null);
  await store.idempotency.release(entry);
  await store.idempotency.prune(0);
};
