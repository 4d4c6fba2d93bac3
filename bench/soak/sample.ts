import { statfs } from 'node:fs/promises';
import { loadavg } from 'node:os';
import type { Client } from 'pg';
import { metricValue } from '../shared/server.ts';
import { memory, type Parts } from '../shared/measure.ts';

/** What the database takes, in MB, and how much of it is waste. */
export interface Sizes {
  readonly live: number;
  readonly liveIndexes: number;
  readonly lane: number;
  readonly closed: number;
  /** All days of messages and attempts, with their indexes. */
  readonly history: number;
  readonly whole: number;
  readonly liveRows: number;
  readonly liveDead: number;
}

/** One piece of the run. */
export interface Sample {
  readonly atSeconds: number;
  /** Messages of the load acknowledged in this piece, and up to its end. */
  readonly accepted: number;
  readonly acceptedInAll: number;
  readonly refused: number;
  /** Milliseconds from the POST to its 202, and from there to the first request at the receiver. */
  readonly acceptMs: { readonly p50: number; readonly p99: number };
  readonly deliverMs: { readonly p50: number; readonly p99: number };
  /** 99th percentile of how late the server's event loop was, over the piece. */
  readonly loopLagMs: number;
  readonly nodeMb: number;
  readonly postgresMb: number;
  readonly sizes: Sizes;
  readonly findings: number;
  /** What the disk with the data directory has left, in MB. */
  readonly diskFreeMb: number;
  /** The machine's load average over a minute: who else was at work. */
  readonly load: number;
}

const MB = 1024 * 1024;

export async function sizesOf(database: Client): Promise<Sizes> {
  const { rows } = await database.query<{ [Key in keyof Sizes]: string }>(`
    select pg_table_size('live') as live, pg_indexes_size('live') as "liveIndexes",
      pg_total_relation_size('lane') as lane, pg_total_relation_size('closed') as closed,
      (select coalesce(sum(pg_total_relation_size(inhrelid)), 0) from pg_inherits
        where inhparent in ('message'::regclass, 'attempt'::regclass)) as history,
      pg_database_size(current_database()) as whole,
      (select n_live_tup from pg_stat_user_tables where relname = 'live') as "liveRows",
      (select n_dead_tup from pg_stat_user_tables where relname = 'live') as "liveDead"`);
  const row = rows[0]!;
  const mb = (bytes: string): number => Number(bytes) / MB;
  return {
    live: mb(row.live),
    liveIndexes: mb(row.liveIndexes),
    lane: mb(row.lane),
    closed: mb(row.closed),
    history: mb(row.history),
    whole: mb(row.whole),
    liveRows: Number(row.liveRows),
    liveDead: Number(row.liveDead),
  };
}

/** What the process and its database say of themselves at the end of a piece. */
export async function readState(
  base: string,
  database: Client,
  parts: Parts,
  dataDir: string,
): Promise<Omit<Sample, 'atSeconds' | 'accepted' | 'acceptedInAll' | 'refused' | 'acceptMs' | 'deliverMs'>> {
  const metrics = await (await fetch(`${base}/metrics`)).text();
  const { nodeMb, postgresMb } = memory(parts);
  const disk = await statfs(dataDir);
  return {
    // Read once a piece: reading starts it anew.
    loopLagMs: metricValue(metrics, 'nodejs_eventloop_lag_p99_seconds') * 1000,
    nodeMb,
    postgresMb,
    sizes: await sizesOf(database),
    findings: metricValue(metrics, 'posthorn_audit_findings'),
    diskFreeMb: (disk.bavail * disk.bsize) / MB,
    load: loadavg()[0] ?? 0,
  };
}
