import type { Database, Statement } from './postgres.ts';

const expire: Statement = {
  name: 'expire_payloads',
  text: `
    with expired as (
      select m.app_id, m.id
      from message m
      where m.payload_until < clock_timestamp()
        -- Undelivered work keeps its payload, however old.
        and not exists (select from live l where l.msg_id = m.id)
      order by m.payload_until
      limit $1
      for update of m skip locked
    )
    update message m
    set payload = null, payload_until = null,
      payload_sha256 = coalesce(payload_sha256, encode(sha256(payload), 'hex'))
    from expired e
    where m.app_id = e.app_id and m.id = e.id`,
};

const CHUNK = 1000;

/** Removes payloads whose own retention has ended before that of their leaf. Returns how many. */
export const expirePayloads = async (database: Database): Promise<number> => {
  let removed = 0;
  for (;;) {
    const result = await database.run(expire, [CHUNK]);
    if (result.kind !== 'done') return removed;
    removed += result.rowCount;
    if (result.rowCount < CHUNK) return removed;
  }
};
