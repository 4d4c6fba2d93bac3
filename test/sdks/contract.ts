// What every official SDK must see when its program walks the contract, word for word. The programs
// report under these names; what one leaves out, or sees otherwise, fails its test.
const PAYLOAD = { invoice: 42, name: 'Zoë' };

const app = { uid: 'sdk', metadata: { plan: 'gold' } };
const endpoint = {
  uid: 'main',
  path: '/take',
  description: 'Main',
  eventTypes: ['invoice.paid'],
  channels: ['eu'],
  metadata: { team: 'a' },
  disabled: false,
};
const succeeded = { status: 0, statusText: 'success' };
const failed = { status: 2, statusText: 'fail' };
const attempt = { ...succeeded, code: 200, trigger: 0, response: 'taken', path: '/take' };
const delivery = {
  body: '{"invoice":42,"name":"Zoë"}',
  contentType: 'application/json',
  tenant: 'acme',
  /** What the SDK's own verification says of the body with a space more. */
  forged: 'refused',
};
const notFound = { status: 404, code: 'not_found', detail: 'Entity not found' };

export const expected: Readonly<Record<string, unknown>> = {
  'application.create': { ...app, name: 'Customer', id: 'app_' },
  'application.getOrCreate': { name: 'Customer', same: true },
  'application.patch': { ...app, name: 'Patched' },
  'application.upsert': { uid: 'sdk', name: 'Updated', metadata: {} },
  'application.list': [
    ['sdk', false],
    ['second', true],
  ],
  'application.delete': notFound,

  'eventType.create': {
    name: 'invoice.paid',
    description: 'An invoice was paid',
    archived: false,
    deprecated: false,
  },
  'eventType.upsert': 'Voided',
  'eventType.patch': { description: 'Voided', deprecated: true },
  'eventType.list': ['invoice.paid', 'invoice.void'],
  'eventType.delete': { listed: ['invoice.paid'], archived: true },
  'eventType.conflict': {
    status: 409,
    code: 'event_type_exists',
    detail: 'An event_type with this name already exists',
  },

  'endpoint.create': endpoint,
  'endpoint.getHeaders': { headers: { 'x-tenant': 'acme' }, sensitive: [] },
  'endpoint.setHeaders': { headers: { 'x-region': 'eu' }, sensitive: ['authorization'] },
  'endpoint.patchHeaders': { headers: { 'x-region': 'eu', 'x-tenant': 'acme' }, sensitive: [] },
  'endpoint.patch': { ...endpoint, description: 'Patched' },
  'endpoint.upsert': { ...endpoint, description: 'Updated', metadata: {} },
  'endpoint.rotateSecret': { prefix: 'whsec_', changed: true },

  'message.create': { eventType: 'invoice.paid', eventId: 'event-1', channels: ['eu'], id: 'msg_' },
  delivery,
  /** With its content, without, and whether the event id finds the same. */
  'message.get': [PAYLOAD, {}, true],
  /** How many a filter finds that fits, and one that does not. */
  'message.list': {
    withContent: [PAYLOAD],
    withoutContent: [{}],
    channel: [1, 0],
    eventTypes: [1, 0],
    time: [1, 0],
  },

  'messageAttempt.listByMsg': [attempt],
  'messageAttempt.withoutContent': ['{}'],
  /** Its own id, the message's, the endpoint's. */
  'messageAttempt.listByEndpoint': [[true, true, true]],
  'messageAttempt.get': attempt,
  'messageAttempt.listAttemptedDestinations': [{ uid: 'main', ...succeeded }],
  'messageAttempt.listAttemptedMessages': [{ eventId: 'event-1', ...succeeded }],
  /** Status and trigger, the newest first. */
  'messageAttempt.resend': [
    [0, 1],
    [0, 0],
  ],
  'endpoint.getStats': { hasSuccess: true, rest: [0, 0, 0, 0] },
  messageInRaw: { ...delivery, body: '{ "ü": 1.0 }', contentType: 'application/vnd.api+json' },

  failure: {
    attempts: [{ ...attempt, ...failed, code: 500, response: 'refused', path: '/refuse' }],
    byStatus: [1, 0],
  },
  'endpoint.recover': { task: 'endpoint.recover', id: 'qtask_' },
  recovered: { ...delivery, tenant: null },
  'backgroundTask.get': { task: 'endpoint.recover', status: 'finished', same: true },
  'recovered.attempts': [succeeded, failed],

  'authentication.appPortalAccess': {
    scheme: 'http',
    name: 'Updated',
    endpoints: ['broken', 'main'],
    list: {
      status: 403,
      code: 'insufficient access',
      detail: 'Insufficient access for the given operation.',
    },
  },
  errors: {
    notFound: { ...notFound, detail: 'Application not found' },
    conflict: {
      status: 409,
      code: 'conflict',
      detail: 'A message with that eventId already exists in this application',
    },
    exists: {
      status: 409,
      code: 'conflict',
      detail: 'An application with that id or uid already exists',
    },
    invalid: {
      status: 422,
      detail: [
        {
          loc: ['body', 'name'],
          msg: 'Application names must be at least one character',
          type: 'value_error',
        },
        {
          loc: ['body', 'uid', '__all__'],
          msg: 'String must match the following pattern: [a-zA-Z0-9-_.].',
          type: 'value_error',
        },
      ],
    },
    unauthorized: { status: 401, code: 'authentication_failed', detail: 'Invalid token' },
  },
  idempotency: { sameKey: true, otherKey: false, otherBody: [422, ['header', 'idempotency-key']] },
  pagination: { pages: 5, seen: 300, newestFirst: true, back: [70, 'page-89', 'page-20'] },

  'message.expungeContent': { expired: true },
  'endpoint.delete': notFound,
};
