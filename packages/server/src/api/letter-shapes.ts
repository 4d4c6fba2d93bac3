import { z } from '@hono/zod-openapi';
import { WHOLE_ENDPOINT } from '../domain/delivery.ts';
import { formatDate } from './dates.ts';
import { plainText } from './fields.ts';
import type { DeadLetter } from './records.ts';
import { sample } from './sample.ts';

const MAX_REVIEWER = 256;
const MAX_NOTE = 4000;

const review = z
  .object({ by: z.string(), at: z.string(), note: z.string().nullable() })
  .openapi('DeadLetterReviewOut');

export const letterOut = z
  .object({
    msgId: z.string(),
    endpointId: z.string(),
    run: z.int(),
    eventType: z.string(),
    reason: z.string(),
    state: z.enum(['open', 'replayed', 'discarded']),
    diedAt: z.string(),
    changedAt: z.string(),
    review: review.nullable(),
    replacedBy: z.string().nullable(),
    orderingKey: z.string().nullable(),
    blocks: z
      .boolean()
      .openapi({ description: 'What comes after it in its order waits for it to be dealt with' }),
  })
  .openapi('DeadLetterOut', {
    example: {
      msgId: sample.messageId,
      endpointId: sample.endpointId,
      run: 0,
      eventType: sample.eventType,
      reason: 'exhausted',
      state: 'open',
      diedAt: sample.time,
      changedAt: sample.time,
      review: { by: 'ada@acme.example', at: sample.later, note: 'Their certificate had expired' },
      replacedBy: null,
      orderingKey: null,
      blocks: false,
    },
  });

/** Who looks at a letter, and what they note. */
export const reviewFields = {
  reviewer: plainText()
    .refine(
      (text) => text.length >= 1 && text.length <= MAX_REVIEWER,
      `must be 1 to ${MAX_REVIEWER} characters long`,
    )
    .nullish(),
  note: plainText()
    .refine((text) => text.length <= MAX_NOTE, `must be at most ${MAX_NOTE} characters long`)
    .nullish(),
};

export const reviewIn = z.object(reviewFields).openapi('DeadLetterReviewIn', {
  example: { reviewer: 'ada@acme.example', note: 'Their certificate had expired' },
});

export const showLetter = (letter: DeadLetter): z.infer<typeof letterOut> => ({
  msgId: letter.messageId,
  endpointId: letter.endpointId,
  run: letter.run,
  eventType: letter.eventType,
  reason: letter.reason,
  state: letter.state,
  diedAt: formatDate(letter.diedAtMs),
  changedAt: formatDate(letter.changedAtMs),
  review:
    letter.review === null
      ? null
      : { by: letter.review.by, at: formatDate(letter.review.atMs), note: letter.review.note },
  replacedBy: letter.replacedBy,
  orderingKey: letter.orderKey === WHOLE_ENDPOINT ? null : letter.orderKey,
  blocks: letter.blocks,
});
