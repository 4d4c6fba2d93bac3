/** What names mean that mean the same wherever they stand: fields of bodies, and parameters of queries. */
const meanings: Readonly<Record<string, string>> = {
  limit: 'How many at most; 250 is the most',
  iterator: 'Where the next page begins; as a parameter, where to go on',
  prevIterator: 'As `iterator`, to go back',
  done: 'Whether this was the last page',
  order: 'By time, which way',
  before: 'Only what is older',
  after: 'Only what is newer, or of that very moment',
  since: 'From this moment on',
  until: 'Up to this moment',
  event_types: 'Only of these event types, separated by commas',
  with_content: 'False leaves the payload or the response out',
  with_msg: 'True puts the message beside each attempt',
  expanded_statuses: 'Taken for compatibility; all statuses are told in any case',
  get_if_exists: 'True answers the one that has the uid already, instead of a conflict',
  expunge: 'True deletes it for good instead of archiving it',
  uid: 'A name of your own, unique and good in place of the id',
  metadata: 'Texts by name, for your own use; at most 4096 bytes',
  throttleRate: 'Requests a second at most',
  rateLimit: 'The older name of `throttleRate`',
  eventType: 'Name of the event type',
  eventTypes: 'The event types that are wanted; null for all',
  filterTypes: 'The older name of `eventTypes`',
  channel: 'Only of this channel',
  channels: 'A message reaches endpoints that share a channel with it; null for all',
  tags: 'To find the message by',
  eventId: 'A name of your own for the event: a second message with it is refused',
  payload: 'What is delivered, byte for byte',
  payloadRetentionPeriod: 'Days that the payload is kept',
  orderingKey: 'Messages of one key reach each endpoint in the order in which they were posted',
  fifo: 'All of its messages arrive in the order in which they were posted, one at a time',
  poisonPolicy:
    'Whether a message that was given up stops what comes after it in its order (`block`) or not (`skip`)',
  occurredAt: 'When it happened, where that is not when it is posted',
  secret: 'What deliveries are signed with; made up when left out',
  disabled: 'A disabled endpoint gets no new deliveries',
  disabledReason: 'Why it was disabled',
  priority: 'How urgent: critical, normal or bulk; of an event type, that of its messages that name none',
  retryPolicy: 'Waits in seconds before each further attempt, or a policy; null for the default',
  ownerEmail: 'Who is told when the endpoint is in trouble',
  headers: 'Headers by name',
  deprecated: 'Still sent, but not to be subscribed to any more',
  archived: 'Not offered any more',
  schemas: 'JSON Schemas of the payload, by version',
  featureFlags: 'Only applications with one of these flags see it',
  featureFlag: 'The older way to name one of `featureFlags`',
  groupName: 'What it is listed under',
  createdAt: 'When it was created',
  updatedAt: 'When it was last changed',
  timestamp: 'When it was made',
  nextAttempt: 'When it will be tried again',
  statusText: 'The status as a word',
  cause: 'Why the attempt failed, as one word',
  responseStatusCode: 'What the receiver answered; 0 when it did not',
  responseDurationMs: 'How long the attempt took',
  triggerType: '0 by schedule, 1 by hand',
};

type Described = { description?: string; readonly name?: unknown; readonly $ref?: string };

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

const describe = (part: unknown, name: string): void => {
  const meaning = meanings[name];
  if (meaning === undefined || !isRecord(part) || part['description'] !== undefined) return;
  (part as Described).description = meaning;
};

/** Gives fields and parameters of a rendered document that say nothing themselves what their name means. */
export const fillDescriptions = (part: unknown): void => {
  if (!isRecord(part)) return;
  const { properties, parameters } = part;
  if (isRecord(properties))
    for (const [name, property] of Object.entries(properties)) describe(property, name);
  if (Array.isArray(parameters))
    for (const parameter of parameters as Described[]) describe(parameter, String(parameter.name));
  for (const [name, inner] of Object.entries(part)) if (name !== 'example') fillDescriptions(inner);
};
