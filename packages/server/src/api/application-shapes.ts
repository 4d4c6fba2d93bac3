import { z } from '@hono/zod-openapi';
import { formatDate } from './dates.ts';
import { metadata, plainText, rate, uidOf } from './fields.ts';
import type { ApplicationFields, ApplicationRecord } from './records.ts';
import { sample } from './sample.ts';

const RATE = 'Application rate limits must be at least one if set';

const name = plainText().refine(
  (value) => value.length >= 1,
  'Application names must be at least one character',
);

const rateFields = {
  throttleRate: rate(RATE).nullish(),
  /** The older spelling. */
  rateLimit: rate(RATE).nullish(),
};

const uid = uidOf('app_').nullish();

export const applicationIn = z
  .object({ name, uid, ...rateFields, metadata: metadata.nullish() })
  .openapi('ApplicationIn', {
    example: { name: 'Acme', uid: sample.appUid, metadata: { plan: 'pro' } },
  });

export const applicationPatch = z
  .object({ name: name.optional(), uid, ...rateFields, metadata: metadata.nullish() })
  .openapi('ApplicationPatch', { example: { name: 'Acme Ltd', throttleRate: 50 } });

export const applicationOut = z
  .object({
    uid: z.string().nullable().optional(),
    name: z.string(),
    throttleRate: z.int().nullable().optional(),
    rateLimit: z.int().nullable().optional(),
    id: z.string(),
    createdAt: z.string(),
    updatedAt: z.string(),
    metadata: z.record(z.string(), z.string()),
  })
  .openapi('ApplicationOut', {
    example: {
      uid: sample.appUid,
      name: 'Acme',
      throttleRate: null,
      id: sample.appId,
      createdAt: sample.time,
      updatedAt: sample.time,
      metadata: { plan: 'pro' },
    },
  });

export const applicationFields = (body: z.infer<typeof applicationIn>): ApplicationFields => ({
  name: body.name,
  uid: body.uid ?? null,
  rateLimit: body.throttleRate ?? body.rateLimit ?? null,
  metadata: body.metadata ?? {},
});

type Patch = z.infer<typeof applicationPatch>;

const patchedRate = (body: Patch): number | null | undefined =>
  body.throttleRate === undefined ? body.rateLimit : body.throttleRate;

export const applicationChanges = (body: Patch): Partial<ApplicationFields> => {
  const rateLimit = patchedRate(body);
  return {
    ...(body.name === undefined ? {} : { name: body.name }),
    ...(body.uid === undefined ? {} : { uid: body.uid }),
    ...(rateLimit === undefined ? {} : { rateLimit }),
    ...(body.metadata === undefined ? {} : { metadata: body.metadata ?? {} }),
  };
};

export const showApplication = (record: ApplicationRecord): z.infer<typeof applicationOut> => ({
  ...(record.uid === null ? {} : { uid: record.uid }),
  name: record.name,
  throttleRate: record.rateLimit,
  ...(record.rateLimit === null ? {} : { rateLimit: record.rateLimit }),
  id: record.id,
  createdAt: formatDate(record.createdAtMs),
  updatedAt: formatDate(record.updatedAtMs),
  metadata: record.metadata,
});
