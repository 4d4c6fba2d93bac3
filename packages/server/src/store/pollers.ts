import type { ConsumerPath, PollerStore } from '../api/poller-port.ts';
import { arrayLiteral } from './binary-array.ts';
import { createOldestWriter } from './oldest-writer.ts';
import type { Database } from './postgres.ts';
import { tenantStatement } from './tenant-statement.ts';
import { timeParam } from './written.ts';

const at = 'c.endpoint_id = $1 and c.protocol = $2 and c.name = $3 and c.org_id = $4';
const find = tenantStatement(
  4,
  'poll_consumer_find',
  `select c.position, c.handed, c.first_offset, c.behind, nullif(c.lease_until, '-infinity') as lease_until,
      c.version
    from poll_consumer c where ${at}`,
);
const count = tenantStatement(
  2,
  'poll_consumer_count',
  'select count(*) as consumers from poll_consumer c where c.endpoint_id = $1 and c.org_id = $2',
);
const values = '$5, $6::text[], $7, $8, $9::timestamptz';
const insert = tenantStatement(
  4,
  'poll_consumer_insert',
  `insert into poll_consumer (endpoint_id, protocol, name, org_id, position, handed, first_offset, behind, lease_until)
    values ($1, $2, $3, $4, ${values}) on conflict do nothing returning version`,
);
const update = tenantStatement(
  4,
  'poll_consumer_update',
  `update poll_consumer c
    set (position, handed, first_offset, behind, lease_until) = (${values}),
      version = c.version + 1, updated_at = clock_timestamp()
    where ${at} and c.version = $10 returning c.version`,
);

type Row = {
  position: string;
  handed: string[];
  first_offset: number;
  behind: string | null;
  lease_until: number | null;
  version: number;
};

const address = ({ endpointId, protocol, name, orgId }: ConsumerPath) => [endpointId, protocol, name, orgId];

/** How far the consumers of polling endpoints are. */
export const createPollerStore = (database: Database): PollerStore => ({
  oldestWriterMs: createOldestWriter(database),

  find: async (path) => {
    const [row] = await database.rows<Row>(find, address(path));
    if (row === undefined) return null;
    return {
      position: row.position,
      handed: row.handed,
      firstOffset: row.first_offset,
      behind: row.behind,
      leaseUntilMs: row.lease_until ?? 0,
      version: row.version,
    };
  },

  save: async (path, version, state, most) => {
    const params = [
      ...address(path),
      state.position,
      arrayLiteral(state.handed),
      state.firstOffset,
      state.behind,
      timeParam(state.leaseUntilMs),
    ];
    if (version !== null) {
      return (await database.rows(update, [...params, version])).length > 0 ? 'saved' : 'moved';
    }
    const [row] = await database.rows<{ consumers: number }>(count, [path.endpointId, path.orgId]);
    if (row!.consumers >= most) return 'too_many';
    return (await database.rows(insert, params)).length > 0 ? 'saved' : 'moved';
  },
});
