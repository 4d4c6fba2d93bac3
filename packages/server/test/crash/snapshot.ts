import pg from 'pg';
import type { Snapshot, StoredAttempt, StoredMessage } from './history.ts';

const named = 'msg_id as "messageId", endpoint_id as "endpointId"';

const queries = {
  messages: `select id, event_id as "eventId", encode(sha256(payload), 'hex') as "payloadSha256" from message order by id`,
  attempts: `select id, ${named}, final, response_status::int as "responseStatus", cause,
    extract(epoch from created_at)::float8 * 1000 + duration_ms as "endedMs" from attempt order by id`,
  live: `select ${named}, state from live order by 1, 2`,
  closed: `select ${named} from closed order by 1, 2`,
};

const withClient = async <Result>(
  url: string,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> => {
  const client = new pg.Client({ connectionString: url, application_name: 'crash-oracle' });
  // It may go away while we look.
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};

/** Everything that the checker needs to know of the database, at one moment. */
export const takeSnapshot = (url: string): Promise<Snapshot> =>
  withClient(url, async (client) => {
    await client.query('begin isolation level repeatable read read only');
    const rows = async <Row extends pg.QueryResultRow>(text: string) => (await client.query<Row>(text)).rows;
    return {
      messages: await rows<StoredMessage>(queries.messages),
      attempts: await rows<StoredAttempt>(queries.attempts),
      live: await rows<Snapshot['live'][number]>(queries.live),
      closed: await rows<Snapshot['closed'][number]>(queries.closed),
    };
  });

/** Deliveries that are still open; of one event when it is named. */
export const openDeliveries = (
  url: string,
  eventId: string | null = null,
): Promise<readonly { readonly state: string }[]> =>
  withClient(url, async (client) => {
    const { rows } = await client.query<{ state: string }>(
      `select l.state from live l where $1::text is null
        or exists (select from message m where m.id = l.msg_id and m.app_id = l.app_id and m.event_id = $1)`,
      [eventId],
    );
    return rows;
  });
