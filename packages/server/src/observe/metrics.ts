import { auditRules, type Finding } from '../domain/audit.ts';
import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import { tally, tallyHistogram } from './tallies.ts';

// Seconds; a webhook takes milliseconds at best and the attempt's deadline at worst.
const WEBHOOK_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60];

/** What is read only when somebody asks for the metrics. */
export type Gauges = {
  readonly inFlight: () => number;
  readonly queued: () => number;
  readonly ingestBytes: () => number;
  readonly partitionsOwned: () => number;
  readonly unreadableEndpoints: () => number;
  readonly databaseConnections: () => {
    readonly total: number;
    readonly idle: number;
    readonly waiting: number;
  };
  readonly databaseStatements: () => number;
  /** How much of the database's disk is in use; null where nobody knows. */
  readonly databaseDisk: () => number | null;
};

/** The process's metrics. No ids in labels: those belong into logs and the API. */
export type Metrics = {
  readonly accepted: (result: string) => void;
  /** A request was refused because its caller asks for too much. */
  readonly limited: (limit: string) => void;
  readonly attempt: (outcome: string, seconds: number) => void;
  /** From acceptance to the end of the attempt that succeeded. */
  readonly delivered: (lagSeconds: number) => void;
  readonly deadLetter: (reason: string) => void;
  readonly staleSettle: () => void;
  readonly freed: (by: 'takeover' | 'sweep' | 'reconcile', count: number) => void;
  readonly endpointDisabled: (reason: string) => void;
  /** An audit by this node has ended; null: another node audits. */
  readonly audited: (findings: readonly Finding[] | null) => void;
  /** The text to serve at /metrics, with its content type. */
  readonly render: () => Promise<{ readonly body: string; readonly contentType: string }>;
};

/** Prometheus metrics under the prefix `posthorn_`. */
export const createMetrics = (version: string, gauges: Gauges): Metrics => {
  const registers = [new Registry()];
  collectDefaultMetrics({ register: registers[0]! });
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter({ name: `posthorn_${name}`, help, labelNames: [...labelNames], registers });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `posthorn_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });

  const described = (name: string, help: string) => ({ name: `posthorn_${name}`, help, registers });

  const accepted = tally(described('messages_total', 'Messages posted, by what became of them.'), 'result');
  const limited = tally(
    described('requests_limited_total', 'Requests refused with 429, by the limit.'),
    'limit',
  );
  const attempted = tally(
    described('delivery_attempts_total', 'Attempts that ended, by outcome.'),
    'outcome',
  );
  const duration = tallyHistogram(
    described('delivery_attempt_duration_seconds', 'How long attempts took.'),
    WEBHOOK_SECONDS,
  );
  const lag = tallyHistogram(
    described('delivery_lag_seconds', 'From acceptance to the response of the attempt that succeeded.'),
    WEBHOOK_SECONDS,
  );
  const dead = counter('dead_letters_total', 'Deliveries given up, by reason.', ['reason']);
  const stale = counter('stale_settles_total', 'Results that came after their delivery had been taken away.');
  const freed = counter('deliveries_freed_total', 'Held deliveries set free, by what found them.', ['by']);
  const disabled = counter('endpoints_disabled_total', 'Endpoints disabled by verdict, by reason.', [
    'reason',
  ]);
  const audits = counter('audits_total', 'Looks of the auditor; one node at a time does them.');
  const audit = new Gauge({
    name: 'posthorn_audit_findings',
    help: 'What the last audit found, by rule: always 0 unless a promise is broken.',
    labelNames: ['rule'],
    registers,
  });
  for (const rule of auditRules) audit.set({ rule }, 0);
  gauge('attempts_in_flight', 'Attempts under way.', gauges.inFlight);
  gauge('deliveries_queued', 'Deliveries held in memory, not under way.', gauges.queued);
  gauge('ingest_pending_bytes', 'Payload bytes on their way into the database.', gauges.ingestBytes);
  gauge('partitions_owned', 'Partitions that this node owns.', gauges.partitionsOwned);
  gauge(
    'endpoints_unreadable',
    'Endpoints whose secrets do not open with the main secrets of this node: their deliveries wait.',
    gauges.unreadableEndpoints,
  );
  new Counter({
    name: 'posthorn_db_statements_total',
    help: 'Statements sent to the database, one round trip each.',
    registers,
    collect() {
      this.reset();
      this.inc(gauges.databaseStatements());
    },
  });
  new Gauge({
    name: 'posthorn_db_connections',
    help: 'Database connections by state.',
    labelNames: ['state'],
    registers,
    collect() {
      for (const [state, count] of Object.entries(gauges.databaseConnections())) this.set({ state }, count);
    },
  });
  new Gauge({
    name: 'posthorn_database_disk_used_ratio',
    help: 'How much of the disk of the database is in use; at 1 no message is accepted.',
    // Without a value it must not look like 0.
    labelNames: ['disk'],
    registers,
    collect() {
      const share = gauges.databaseDisk();
      if (share !== null) this.set({ disk: 'database' }, share);
    },
  });
  new Gauge({ name: 'posthorn_build_info', help: 'Always 1.', labelNames: ['version'], registers }).set(
    { version },
    1,
  );

  return {
    accepted,
    limited,
    attempt: (outcome, seconds) => {
      attempted(outcome);
      duration(seconds);
    },
    delivered: lag,
    deadLetter: (reason) => dead.inc({ reason }),
    staleSettle: () => stale.inc(),
    freed: (by, count) => freed.inc({ by }, count),
    endpointDisabled: (reason) => disabled.inc({ reason }),
    audited: (findings) => {
      if (findings !== null) audits.inc();
      for (const rule of auditRules)
        audit.set({ rule }, (findings ?? []).filter((finding) => finding.rule === rule).length);
    },
    render: async () => ({ body: await registers[0]!.metrics(), contentType: registers[0]!.contentType }),
  };
};
