import { OpenAPIHono, z } from '@hono/zod-openapi';
import { badRequest, invalid, json } from './answers.ts';
import { formatDate, isWritable } from './dates.ts';
import { eventTypesQuery, flag, idOrUid, moment } from './fields.ts';
import { pathOf } from './endpoints.ts';
import { operate, operateOnApp } from './operation.ts';
import type { ApiDeps } from './port.ts';
import type { AttemptBucket } from './statistic-port.ts';
import { sample } from './sample.ts';
import {
  beginTask,
  noTarget,
  showTaskStarted,
  startedExample,
  taskStarted,
  taskStartedShape,
} from './task-out.ts';

const TAG = 'Statistics';
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** How long a step is, how far a range reaches when nobody says, and at most. */
const periods = {
  OneDay: { stepMs: DAY_MS, spanMs: 28 * DAY_MS, longestMs: 400 * DAY_MS },
  OneHour: { stepMs: HOUR_MS, spanMs: DAY_MS, longestMs: 28 * DAY_MS },
  FiveMinutes: { stepMs: 5 * MINUTE_MS, spanMs: HOUR_MS, longestMs: 2 * DAY_MS },
} as const;
/** Beyond this, five minutes are no longer told apart. */
const MINUTES_KEPT_MS = 3 * DAY_MS;
const LONGEST_MS = 400 * DAY_MS;

const counts = { success: z.int(), failure: z.int(), canceled: z.int() };
const attemptStatsOut = z
  .object({
    by_event_type: z.record(z.string(), z.object(counts).openapi('AppAttemptEventTypeStats')),
    total_success: z.int(),
    total_failure: z.int(),
    total_canceled: z.int(),
    since: z.string(),
    until: z.string(),
  })
  .openapi('AppAttemptStatsOut', {
    example: {
      by_event_type: { [sample.eventType]: { success: 118, failure: 2, canceled: 0 } },
      total_success: 118,
      total_failure: 2,
      total_canceled: 0,
      since: '2026-11-20T09:00:00.000000Z',
      until: '2026-11-20T10:00:00.000000Z',
    },
  });
const series = z.array(z.int());
const attemptSeriesOut = z
  .object({
    startDate: z.string(),
    endDate: z.string(),
    period: z.enum(['OneDay', 'OneHour', 'FiveMinutes']),
    data: z
      .object({ successCount: series, failureCount: series, canceledCount: series })
      .openapi('AttemptStatisticsData'),
  })
  .openapi('AttemptStatisticsResponse', {
    example: {
      startDate: '2026-11-20T08:00:00.000000Z',
      endDate: '2026-11-20T10:00:00.000000Z',
      period: 'OneHour',
      data: { successCount: [97, 118], failureCount: [0, 2], canceledCount: [0, 0] },
    },
  });

const usageIn = z
  .object({ since: moment, until: moment, appIds: z.array(idOrUid).max(10_000).nullish() })
  .openapi('AppUsageStatsIn', {
    example: { since: '2026-11-01T00:00:00Z', until: '2026-12-01T00:00:00Z' },
  });
const usageOut = taskStartedShape
  .extend({ unresolvedAppIds: z.array(z.string()) })
  .openapi('AppUsageStatsOut', {
    example: { ...startedExample('application.stats'), unresolvedAppIds: [] },
  });

type Sums = { success: number; failure: number; canceled: number };
const noSums = (): Sums => ({ success: 0, failure: 0, canceled: 0 });
const add = (sums: Sums, bucket: AttemptBucket): void => {
  sums.success += bucket.ok;
  sums.failure += bucket.failed;
  sums.canceled += bucket.canceled;
};

const down = (unixMs: number, stepMs: number): number => Math.floor(unixMs / stepMs) * stepMs;
const up = (unixMs: number, stepMs: number): number => Math.ceil(unixMs / stepMs) * stepMs;
/** Not so at the ends of time: whole steps would lead out of it. */
const canWiden = (sinceMs: number, untilMs: number): boolean =>
  isWritable(down(sinceMs, DAY_MS)) && isWritable(up(untilMs, DAY_MS));

const badRange = (longestMs: number) =>
  badRequest(
    `The range must begin before it ends, and be at most ${Math.round(longestMs / DAY_MS)} days long.`,
    'invalid_range',
  );

const withoutPlay = { exclude_svix_play: flag.optional() };

/** Counts of attempts, deliveries, endpoints and applications. Ranges are widened to whole steps, and say so. */
export const statisticRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  const { applications, statistics } = deps.store;

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.application.stats.attempts',
      method: 'get',
      path: '/app/{app_id}/stats/attempts',
      tag: 'Application',
      summary: 'Count the attempts of an application by event type, in whole hours',
      who: 'any',
      query: z.object({ since: moment, until: moment, ...eventTypesQuery }),
      answers: { 200: attemptStatsOut },
    },
    async ({ application, query }) => {
      const { since, until } = query;
      if (since >= until || until - since > LONGEST_MS || !canWiden(since, until))
        return badRange(LONGEST_MS);
      const sinceMs = down(query.since, HOUR_MS);
      const untilMs = up(query.until, HOUR_MS);
      const buckets = await statistics.attempts(pathOf(application), {
        sinceMs,
        untilMs,
        step: 'hour',
        eventTypes: query.event_types ?? null,
      });
      const total = noSums();
      const byType = new Map<string, Sums>();
      for (const bucket of buckets) {
        add(total, bucket);
        const sums = byType.get(bucket.eventType) ?? noSums();
        add(sums, bucket);
        byType.set(bucket.eventType, sums);
      }
      return json(200, {
        by_event_type: Object.fromEntries(byType),
        total_success: total.success,
        total_failure: total.failure,
        total_canceled: total.canceled,
        since: formatDate(sinceMs),
        until: formatDate(untilMs),
      });
    },
  );

  operateOnApp(
    app,
    deps,
    {
      id: 'v1.stats.app-attempts',
      method: 'get',
      path: '/stats/app/{app_id}/attempt',
      tag: TAG,
      summary: 'Count the attempts of an application over time',
      who: 'any',
      query: z.object({
        startDate: moment.optional(),
        endDate: moment.optional(),
        period: z.enum(['OneDay', 'OneHour', 'FiveMinutes']).optional(),
        ...eventTypesQuery,
      }),
      answers: { 200: attemptSeriesOut },
    },
    async ({ application, query }) => {
      const period = query.period ?? 'OneDay';
      const { stepMs, spanMs, longestMs } = periods[period];
      const nowMs = deps.clock.nowMs();
      const end = query.endDate ?? nowMs;
      const start = query.startDate ?? end - spanMs;
      if (start >= end || end - start > longestMs || !canWiden(start, end)) return badRange(longestMs);
      const sinceMs = down(start, stepMs);
      const untilMs = up(end, stepMs);
      if (period === 'FiveMinutes' && sinceMs < nowMs - MINUTES_KEPT_MS) {
        return badRequest('Five minutes are told apart for 3 days; ask for hours.', 'invalid_range');
      }
      const buckets = await statistics.attempts(pathOf(application), {
        sinceMs,
        untilMs,
        step: period === 'FiveMinutes' ? 'five_minutes' : 'hour',
        eventTypes: query.event_types ?? null,
      });
      const steps = Array.from({ length: (untilMs - sinceMs) / stepMs }, noSums);
      for (const bucket of buckets) add(steps[Math.floor((bucket.atMs - sinceMs) / stepMs)]!, bucket);
      return json(200, {
        startDate: formatDate(sinceMs),
        endDate: formatDate(untilMs),
        period,
        data: {
          successCount: steps.map(({ success }) => success),
          failureCount: steps.map(({ failure }) => failure),
          canceledCount: steps.map(({ canceled }) => canceled),
        },
      });
    },
  );

  operate(
    app,
    deps,
    {
      id: 'v1.application.count-active',
      method: 'get',
      path: '/app/stats/count-active',
      tag: 'Application',
      summary: 'Count the applications with at least one active endpoint',
      who: 'org',
      query: z.object({ ...withoutPlay, exclude_disabled: flag.optional() }),
      answers: { 200: z.object({ count: z.int() }).openapi('ActiveAppCount', { example: { count: 42 } }) },
    },
    async ({ principal, query }) =>
      json(200, {
        count: await statistics.activeApplications(principal.orgId, {
          withoutPlay: query.exclude_svix_play !== false,
          withoutDisabled: query.exclude_disabled !== false,
        }),
      }),
  );

  operate(
    app,
    deps,
    {
      id: 'v1.statistics.endpoint-count',
      method: 'get',
      path: '/stats/endpoint/count',
      tag: TAG,
      summary: 'Count the active and the disabled endpoints of the organisation',
      who: 'org',
      query: z.object(withoutPlay),
      answers: {
        200: z
          .object({ active: z.int(), disabled: z.int() })
          .openapi('EndpointCountOut', { example: { active: 61, disabled: 3 } }),
      },
    },
    async ({ principal, query }) =>
      json(200, await statistics.endpoints(principal.orgId, query.exclude_svix_play !== false)),
  );

  operate(
    app,
    deps,
    {
      id: 'v1.statistics.aggregate-app-stats',
      method: 'post',
      path: '/stats/usage/app',
      tag: TAG,
      summary: 'Count the deliveries of every application, as a background task, in whole hours',
      who: 'org',
      body: usageIn,
      answers: { 202: usageOut },
    },
    async ({ principal, body }) => {
      if (body.until <= body.since || !canWiden(body.since, body.until))
        return invalid(['body', 'until'], '`until` must be after `since`, and neither at the ends of time.');
      const { orgId } = principal;
      const asked = [...new Set(body.appIds ?? [])];
      const found = await applications.resolve(orgId, asked);
      const task = await beginTask(deps, { orgId, applicationId: null }, 'application.stats', {
        ...noTarget,
        sinceMs: down(body.since, HOUR_MS),
        untilMs: up(body.until, HOUR_MS),
        ...(body.appIds === null || body.appIds === undefined
          ? {}
          : { applicationIds: [...new Set(found.values())] }),
      });
      const unresolvedAppIds = asked.filter((idOrUid) => !found.has(idOrUid));
      return json(202, { ...showTaskStarted(task), unresolvedAppIds });
    },
  );

  operate(
    app,
    deps,
    {
      id: 'v1.statistics.aggregate-event-types',
      method: 'put',
      path: '/stats/usage/event-types',
      tag: TAG,
      summary: 'Collect the event types that each application subscribes to, as a background task',
      who: 'org',
      answers: { 202: taskStarted },
    },
    async ({ principal: { orgId } }) => {
      const task = await beginTask(deps, { orgId, applicationId: null }, 'event-type.aggregate', {
        ...noTarget,
        sinceMs: deps.clock.nowMs(),
        untilMs: null,
      });
      return json(202, showTaskStarted(task));
    },
  );

  return app;
};
