import type { Revocation, RevocationStore, RevokedSubject } from '../api/revocations.ts';
import { arrayLiteral } from './binary-array.ts';
import type { Database, Statement } from './postgres.ts';
import { timeParam, timeParamOrNull } from './written.ts';

const add: Statement = {
  name: 'revocation_add',
  text: `insert into revocation as r (org_id, app_id, subject, issued_before, effective_at, until)
    select org_id, app_id, subject, issued_before, effective_at, nullif(until, 'infinity')
    from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[])
      t(org_id, app_id, subject, issued_before, effective_at, until)
    on conflict (app_id, subject, effective_at) do update
    set issued_before = greatest(r.issued_before, excluded.issued_before), until = excluded.until,
      changed_at = clock_timestamp()`,
};

const columns = 'r.org_id, r.app_id, r.subject, r.issued_before, r.effective_at, r.until';
// The row that is always there tells the time.
const since: Statement = {
  name: 'revocation_since',
  text: `select ${columns}, extract(epoch from clock_timestamp())::float8 * 1000 as now_ms
    from (select 1) one left join revocation r
      on r.changed_at > coalesce($1::timestamptz, '-infinity') and (r.until is null or r.until > clock_timestamp())`,
};
const prune: Statement = {
  name: 'revocation_prune',
  text: `delete from revocation r
    where r.until < clock_timestamp() or exists (
      select from revocation s
      where s.app_id = r.app_id and s.subject = r.subject and s.effective_at <= clock_timestamp()
        and (s.issued_before, s.effective_at) > (r.issued_before, r.effective_at))`,
};

/** Longer than any transaction that adds one may take to commit what it has dated. */
const OVERLAP_MS = 60_000;

type Row = {
  org_id: string | null;
  app_id: string;
  subject: RevokedSubject;
  issued_before: number;
  effective_at: number;
  until: number | null;
  now_ms: number;
};

/** Tokens that were taken back. */
export const createRevocationStore = (database: Database): RevocationStore => ({
  add: async (revocations) => {
    const column = (of: (revocation: Revocation) => string): string | null =>
      arrayLiteral(revocations.map(of));
    await database.rows(add, [
      column(({ orgId }) => orgId),
      column(({ applicationId }) => applicationId),
      column(({ subject }) => subject),
      column(({ issuedBeforeMs }) => timeParam(issuedBeforeMs)),
      column(({ effectiveAtMs }) => timeParam(effectiveAtMs)),
      column(({ untilMs }) => timeParamOrNull(untilMs) ?? 'infinity'),
    ]);
  },

  since: async (fromMs) => {
    const rows = await database.rows<Row>(since, [timeParamOrNull(fromMs)]);
    return {
      revocations: rows.flatMap((row): Revocation[] =>
        row.org_id === null
          ? []
          : [
              {
                orgId: row.org_id,
                applicationId: row.app_id,
                subject: row.subject,
                issuedBeforeMs: row.issued_before,
                effectiveAtMs: row.effective_at,
                untilMs: row.until,
              },
            ],
      ),
      nextMs: rows[0]!.now_ms - OVERLAP_MS,
    };
  },

  prune: async () => {
    await database.rows(prune, []);
  },
});
