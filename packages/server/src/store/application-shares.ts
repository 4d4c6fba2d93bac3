import type { DispatchStore } from '../dispatch/port.ts';
import type { Claim } from '../dispatch/share.ts';
import { int4Array, textArray } from './binary-array.ts';
import type { Database, Statement } from './postgres.ts';

/**
 * One row for each application holds the claims of all nodes: whoever writes it waits for the others and then sees
 * what they have written, so that one statement can count and claim. In the order of the ids: no deadlock.
 */
export const shareStatements = {
  dealShares: {
    name: 'deal_shares',
    text: `
insert into application_share as s (app_id, claims)
select a.id, jsonb_build_object(a.node, jsonb_build_object('share', a.share, 'weight', a.weight, 'hungry', a.hungry,
  'limit', a.most, 'until', extract(epoch from clock_timestamp()) * 1000 + a.hold))
from unnest($1::text[], $2::text[], $3::int4[], $4::int4[], $5::int4[], $6::int4[], $7::int4[])
  as r(id, node, most, share, weight, is_hungry, hold)
cross join lateral (select r.id, r.node, r.most, least(r.share, r.most) as share, r.weight, r.is_hungry = 1 as hungry, r.hold) a
order by a.id
on conflict (app_id) do update set claims = (
  select coalesce(jsonb_object_agg(c.key, c.value) filter (where c.key is not null), '{}') || jsonb_build_object(mine.key, mine.value || jsonb_build_object('share',
    greatest(0, least((mine.value->>'share')::int4, (mine.value->>'limit')::int4 - coalesce(sum((c.value->>'share')::int4), 0)))))
  from jsonb_each(excluded.claims) mine
  left join jsonb_each(s.claims) c
    on c.key <> mine.key and (c.value->>'until')::float8 > extract(epoch from clock_timestamp()) * 1000
  group by mine.key, mine.value
)
returning app_id, claims`,
  },
} as const satisfies Record<string, Statement>;

type Claims = Readonly<
  Record<string, { readonly share: number; readonly weight: number; readonly hungry: boolean }>
>;

export const createShareOperations = (
  database: Database,
  sql: { readonly [Key in keyof typeof shareStatements]: Statement },
): Pick<DispatchStore, 'dealShares'> => ({
  dealShares: async (asked) => {
    const rows = await database.rows<{ app_id: string; claims: Claims }>(sql.dealShares, [
      textArray(asked.map(({ applicationId }) => applicationId)),
      textArray(asked.map(({ claim }) => claim.node)),
      int4Array(asked.map(({ limit }) => limit)),
      int4Array(asked.map(({ claim }) => claim.share)),
      int4Array(asked.map(({ claim }) => claim.weight)),
      int4Array(asked.map(({ claim }) => Number(claim.isHungry))),
      int4Array(asked.map(({ holdMs }) => Math.ceil(holdMs))),
    ]);
    return new Map(
      rows.map(({ app_id, claims }) => [
        app_id,
        Object.entries(claims).map(([node, { share, weight, hungry }]): Claim => ({
          node,
          share,
          weight,
          isHungry: hungry,
        })),
      ]),
    );
  },
});
