import * as api from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { recorder, SECRET, shown, signedRequest } from '../../test/handlers/requests.ts';
import { memoryDedup } from '../dedup/memory.ts';
import { createReceiver } from '../handlers/receiver.ts';
import { standardWebhooks } from '../standard-webhooks.ts';
import { counters } from './index.ts';
import { openTelemetry } from './otel.ts';

const source = standardWebhooks(SECRET);
const quiet = { source, log: () => undefined, onError: () => undefined };
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';

describe('counters', () => {
  it('count by source and reason', async () => {
    const { seen, read } = counters();
    const { receive } = createReceiver({
      ...quiet,
      seen,
      dedup: memoryDedup(),
      handle: ({ id }) => {
        if (id === 'bad') throw new Error('no');
      },
    });
    await receive(await signedRequest('{}'));
    await receive(await signedRequest('{}'));
    await receive(await signedRequest('{}', { id: 'bad' }));
    await receive(await signedRequest('{}', { headers: { 'webhook-signature': 'v1,AAAA' } }));
    await receive(await signedRequest('{}', { method: 'GET' }));
    expect(read()).toEqual({
      'standard-webhooks': {
        received: 4,
        receivedBytes: 8,
        rejected: { handler_failed: 1, no_usable_signature: 1, method_not_allowed: 1 },
        duplicate: 1,
        accepted: 2,
        processed: 1,
        failed: 1,
        dead: 0,
        overtaken: 0,
        handlerTime: { count: 2, sumMs: expect.any(Number), maxMs: expect.any(Number) },
        age: { count: 1, sumMs: expect.any(Number), maxMs: expect.any(Number) },
        inbox: null,
      },
    });
  });

  it('keep how an inbox stands', () => {
    const { seen, read } = counters();
    seen({ kind: 'inbox', source: 'orders', waiting: 3, running: 1, dead: 0, oldestAgeMs: 900 });
    seen({ kind: 'dead', source: 'orders', id: 'msg_1', attempts: 5 });
    expect(read()['orders']).toMatchObject({ inbox: { waiting: 3, oldestAgeMs: 900 }, dead: 1 });
  });
});

describe('the hook', () => {
  it('may throw without costing an event', async () => {
    const { receive } = createReceiver({
      ...quiet,
      handle: () => undefined,
      seen: () => {
        throw new Error('no');
      },
    });
    expect(shown(await receive(await signedRequest('{}')))).toMatchObject({ status: 'processed' });
  });

  it('passes on a traceparent that is one', async () => {
    for (const [traceparent, wanted] of [
      [`00-${TRACE}-${PARENT}-01`, { traceparent: `00-${TRACE}-${PARENT}-01` }],
      [`00-${'0'.repeat(32)}-${PARENT}-01`, {}],
      [`ff-${TRACE}-${PARENT}-01`, {}],
      ['a'.repeat(10_000), {}],
    ] as const) {
      const { facts, seen } = recorder();
      const { receive } = createReceiver({ ...quiet, seen, handle: () => undefined });
      await receive(await signedRequest('{}', { headers: { traceparent } }));
      expect(facts[0]).toEqual({ kind: 'received', source: 'standard-webhooks', bytes: 2, ...wanted });
    }
  });
});

describe('secrets and payloads', () => {
  it('come neither into facts nor into what is printed', async () => {
    const CANARY = 'canary-7f3a';
    const printed: unknown[] = [];
    const spies = (['log', 'info', 'warn', 'error', 'debug'] as const).map((name) =>
      vi.spyOn(console, name).mockImplementation((...all) => void printed.push(...all)),
    );
    const { facts, seen } = recorder();
    const { receive, idle } = createReceiver({
      source,
      seen,
      deadlineMs: 50,
      dedup: memoryDedup(),
      handle: async ({ id, json }) => {
        if (id === 'slow') await new Promise((resolve) => setTimeout(resolve, 100));
        if (id === 'throws') throw new Error(JSON.stringify(json()));
        if (id === 'parses') JSON.parse(`${CANARY}`);
      },
    });
    const answers: string[] = [];
    for (const id of ['good', 'good', 'slow', 'throws', 'parses'])
      answers.push((await receive(await signedRequest(`{"a":"${CANARY}"}`, { id }))).body);
    const wrong = await signedRequest(`{"a":"${CANARY}"}`, {
      headers: { 'x-api-key': CANARY, 'webhook-signature': `v1,${CANARY}` },
    });
    answers.push((await receive(wrong)).body);
    await idle();
    spies.forEach((spy) => spy.mockRestore());

    expect(printed.join('\n')).toContain('a webhook handler threw: SyntaxError at ');
    const all = JSON.stringify([facts, answers, printed.map(String)]);
    expect(all).not.toContain(CANARY);
    expect(all).not.toContain(SECRET.slice(6));
    expect(facts.map(({ kind }) => kind)).toContain('failed');
  });
});

describe('OpenTelemetry', () => {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  const points: [string, number, api.Attributes][] = [];
  const instrument = (name: string) => ({
    add: (value: number, attributes: api.Attributes) => void points.push([name, value, attributes]),
    record: (value: number, attributes: api.Attributes) => void points.push([name, value, attributes]),
  });
  const metrics = {
    getMeter: () => ({ createCounter: instrument, createHistogram: instrument, createGauge: instrument }),
  };

  beforeAll(() => {
    api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    api.trace.setGlobalTracerProvider(provider);
  });
  beforeEach(() => {
    exporter.reset();
    points.length = 0;
  });
  afterAll(() => {
    api.trace.disable();
    api.context.disable();
  });

  const receiving = (handle: () => void | Promise<void>) =>
    createReceiver({ ...quiet, handle, ...openTelemetry({ ...api, metrics }) });

  it('takes the API as it is', async () => {
    const { receive } = createReceiver({ ...quiet, handle: () => undefined, ...openTelemetry(api) });
    await receive(await signedRequest('{}'));
    expect(exporter.getFinishedSpans()).toHaveLength(2);
  });

  it('continues the trace of the sender down to what the handler does', async () => {
    const { receive } = receiving(() => {
      api.trace.getTracer('test').startSpan('inside').end();
    });
    await receive(await signedRequest('{}', { headers: { traceparent: `00-${TRACE}-${PARENT}-01` } }));
    const [inside, process, request] = exporter.getFinishedSpans();
    expect([inside?.name, process?.name, request?.name]).toEqual([
      'inside',
      'process webhook',
      'receive webhook',
    ]);
    expect(request?.kind).toBe(api.SpanKind.SERVER);
    expect(request?.spanContext().traceId).toBe(TRACE);
    expect(request?.parentSpanContext?.spanId).toBe(PARENT);
    expect(process?.parentSpanContext?.spanId).toBe(request?.spanContext().spanId);
    expect(inside?.parentSpanContext?.spanId).toBe(process?.spanContext().spanId);
    expect(process?.attributes).toEqual({
      'posthorn.source': 'standard-webhooks',
      'posthorn.outcome': 'processed',
      'messaging.message.id': 'msg_1',
    });
    expect(points.map(([name]) => name)).toEqual([
      'posthorn.receiver.facts',
      'posthorn.receiver.facts',
      'posthorn.receiver.facts',
      'posthorn.receiver.event.age',
      'posthorn.receiver.handler.duration',
    ]);
  });

  it('keeps to the span that is active', async () => {
    const { receive } = receiving(() => undefined);
    const server = api.trace.getTracer('test').startSpan('server');
    const request = await signedRequest('{}', { headers: { traceparent: `00-${TRACE}-${PARENT}-01` } });
    await api.context.with(api.trace.setSpan(api.context.active(), server), () => receive(request));
    const received = exporter.getFinishedSpans().find(({ name }) => name === 'receive webhook');
    expect(received?.parentSpanContext?.spanId).toBe(server.spanContext().spanId);
    expect(received?.kind).toBe(api.SpanKind.INTERNAL);
  });

  it('marks failures of the receiver, not mistakes of the sender', async () => {
    const { receive } = receiving(() => Promise.reject(new RangeError('no')));
    await receive(await signedRequest('{}'));
    await receive(await signedRequest('{}', { headers: { 'webhook-signature': 'v1,AAAA' } }));
    const [process, request, refused] = exporter.getFinishedSpans();
    expect(
      [process, request, refused].map((span) => [span?.status.code, span?.attributes['error.type']]),
    ).toEqual([
      [api.SpanStatusCode.ERROR, 'RangeError'],
      [api.SpanStatusCode.ERROR, 'handler_failed'],
      [api.SpanStatusCode.UNSET, 'no_usable_signature'],
    ]);
    expect(refused?.attributes['http.response.status_code']).toBe(400);
  });
});
