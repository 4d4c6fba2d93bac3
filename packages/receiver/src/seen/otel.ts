import type { Seen, SeenFact, Trace } from '../contract.ts';

type Attributes = Record<string, string | number>;
type Context = {
  getValue(key: symbol): unknown;
  setValue(key: symbol, value: unknown): Context;
  deleteValue(key: symbol): Context;
};
type Span = {
  setAttributes(attributes: Attributes): unknown;
  setStatus(status: { code: number }): unknown;
  end(): void;
};
type SpanOptions = { kind: number; attributes: Attributes };
type SpanContext = { traceId: string; spanId: string; traceFlags: number; isRemote: boolean };
type Tracer = { startSpan(name: string, options: SpanOptions, context: Context): Span };
type Recorder = { record(value: number, attributes: Attributes): void };
type MetricOptions = { description: string; unit: string };
type Meter = {
  createCounter(name: string, options: MetricOptions): { add(value: number, attributes: Attributes): void };
  createHistogram(name: string, options: MetricOptions): Recorder;
  createGauge(name: string, options: MetricOptions): Recorder;
};

/** What is used of `@opentelemetry/api` (1.9 or later), so that this file loads without it. */
export type OpenTelemetryApi = {
  readonly trace: {
    getTracer(name: string): Tracer;
    getSpan(context: Context): Span | undefined;
    setSpan(context: Context, span: Span): Context;
    setSpanContext(context: Context, spanContext: SpanContext): Context;
  };
  readonly context: { active(): Context; with<T>(context: Context, run: () => T): T };
  readonly metrics: { getMeter(name: string): Meter };
};

const NAME = '@posthorn/receiver';
// As numbered by the OpenTelemetry API.
const INTERNAL = 0;
const SERVER = 1;
const CONSUMER = 4;
const ERROR = 2;

/**
 * Spans and metrics for a handler or an inbox:
 *
 * ```ts
 * import * as api from '@opentelemetry/api';
 * webhooks({ source, handle, ...openTelemetry(api) });
 * ```
 *
 * A span `receive webhook` for each request and, in it or (from an inbox) on its own, one
 * `process webhook` for each try of the handler. The parent is the active span, else the sender's
 * `traceparent`.
 */
export const openTelemetry = ({
  trace: tracing,
  context,
  metrics,
}: OpenTelemetryApi): { readonly seen: Seen; readonly trace: Trace } => {
  const trace: Trace = async ({ kind, source, traceparent }, run) => {
    const active = context.active();
    const local = tracing.getSpan(active) !== undefined;
    const parent =
      local || traceparent === undefined ? active : tracing.setSpanContext(active, remote(traceparent));
    const alone = kind === 'receive' ? SERVER : CONSUMER;
    const span = tracing
      .getTracer(NAME)
      .startSpan(
        `${kind} webhook`,
        { kind: local ? INTERNAL : alone, attributes: { 'posthorn.source': source } },
        parent,
      );
    try {
      return await context.with(tracing.setSpan(parent, span), () => run((fact) => describe(span, fact)));
    } finally {
      span.end();
    }
  };
  return { trace, seen: meter(metrics.getMeter(NAME)) };
};

const remote = (traceparent: string): SpanContext => {
  const [, traceId = '', spanId = '', flags = '0'] = traceparent.split('-');
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
};

/** The last fact of a span is its outcome. */
const describe = (span: Span, fact: SeenFact): void => {
  span.setAttributes({
    'posthorn.outcome': fact.kind,
    ...('id' in fact && fact.id !== null ? { 'messaging.message.id': fact.id } : {}),
    ...(fact.kind === 'received' ? { 'messaging.message.body.size': fact.bytes } : {}),
    ...(fact.kind === 'rejected' ? { 'http.response.status_code': fact.status } : {}),
    ...errorType(fact),
  });
  // A sender's mistake is not the receiver's error.
  if (fact.kind === 'failed' || fact.kind === 'dead' || (fact.kind === 'rejected' && fact.status >= 500))
    span.setStatus({ code: ERROR });
};

const errorType = (fact: SeenFact): Attributes =>
  fact.kind === 'rejected'
    ? { 'error.type': fact.code }
    : fact.kind === 'failed'
      ? { 'error.type': fact.error }
      : {};

const meter = (of: Meter): Seen => {
  const facts = of.createCounter('posthorn.receiver.facts', {
    description: 'What happened to requests and events',
    unit: '{fact}',
  });
  const handler = of.createHistogram('posthorn.receiver.handler.duration', {
    description: 'How long handlers took',
    unit: 's',
  });
  const age = of.createHistogram('posthorn.receiver.event.age', {
    description: 'From received to processed',
    unit: 's',
  });
  const waiting = of.createGauge('posthorn.receiver.inbox.waiting', {
    description: 'Events that wait in the inbox',
    unit: '{event}',
  });
  const oldest = of.createGauge('posthorn.receiver.inbox.oldest_age', {
    description: 'Age of the oldest event that is not done',
    unit: 's',
  });
  return (fact) => {
    const source = { 'posthorn.source': fact.source };
    if (fact.kind === 'inbox') {
      waiting.record(fact.waiting, source);
      oldest.record(fact.oldestAgeMs / 1_000, source);
      return;
    }
    facts.add(1, { ...source, 'posthorn.fact': fact.kind, ...errorType(fact) });
    if (fact.kind === 'processed') age.record(fact.ageMs / 1_000, source);
    if (fact.kind === 'processed' || fact.kind === 'failed')
      handler.record(fact.durationMs / 1_000, { ...source, ...errorType(fact) });
  };
};
