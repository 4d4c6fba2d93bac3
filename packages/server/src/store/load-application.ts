import type { ApplicationConfig } from '../domain/configuration.ts';
import type { EndpointRow, OnUnreadable } from './endpoint-row.ts';
import { endpointColumns, endpointConfigOf } from './endpoint-row.ts';
import type { Database, Statement } from './postgres.ts';
import type { Sealer } from './sealed.ts';

export const loadApplicationStatements = {
  // One statement, so that the version and the endpoints are of one snapshot.
  loadApplication: {
    name: 'load_application',
    text: `
      select a.id as application_id, a.uid as application_uid, a.org_id as application_org,
        a.config_version, ${endpointColumns}
      from (
        select * from application where id = $2 and org_id = $1 and deleted_at is null
        union all
        select * from application where uid = $2 and org_id = $1 and deleted_at is null
        limit 1
      ) a
      left join endpoint e on e.app_id = a.id and e.deleted_at is null
      order by e.id`,
  },
} as const satisfies Record<string, Statement>;

type Row = Partial<EndpointRow> & {
  application_id: string;
  application_uid: string | null;
  application_org: string;
  config_version: number;
};

/** See IngestStore.loadApplication. An id wins over another application's equal uid. */
export const createLoadApplication =
  (
    database: Database,
    sql: { readonly loadApplication: Statement },
    sealer: Sealer,
    onUnreadable: OnUnreadable,
  ) =>
  async (orgId: string, idOrUid: string): Promise<ApplicationConfig | null> => {
    const rows = await database.rows<Row>(sql.loadApplication, [orgId, idOrUid]);
    const first = rows[0];
    if (first === undefined) return null;
    return {
      id: first.application_id,
      uid: first.application_uid,
      orgId: first.application_org,
      configVersion: first.config_version,
      endpoints: rows
        .filter((row): row is Row & EndpointRow => row.id !== null)
        .map((row) => endpointConfigOf(row, sealer, onUnreadable)),
    };
  };
