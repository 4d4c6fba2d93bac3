import { isUtf8 } from 'node:buffer';
import { REDACTED, type HeaderPair } from '../domain/attempt.ts';
import { formatDate } from './dates.ts';
import { messageOut, spliced } from './message-out.ts';
import { deliveryStatus } from './records.ts';
import type { AttemptRow, DeliveryRow, DeliveryStatus, MessageRecord } from './records.ts';

const statusTexts = ['success', 'pending', 'fail', 'sending', 'canceled'] as const;

/** The word for a status. */
export const statusText = (status: DeliveryStatus): string => statusTexts[status];

const asText = (bytes: Uint8Array | null): string => {
  if (bytes === null) return '';
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return isUtf8(buffer) ? buffer.toString('utf8') : buffer.toString('base64');
};

/**
 * An attempt as the API shows it. Where no response came, `response` says in a word why, as the
 * reference puts the error's text there.
 */
const fieldsOf = (row: AttemptRow, withContent: boolean): Record<string, unknown> => ({
  url: row.url,
  response: withContent ? (row.responseStatus === 0 ? (row.cause ?? '') : asText(row.response)) : '{}',
  responseStatusCode: row.responseStatus,
  responseDurationMs: row.durationMs,
  status: row.status,
  statusText: statusText(row.status),
  triggerType: row.trigger,
  msgId: row.messageId,
  endpointId: row.endpointId,
  id: row.id,
  timestamp: formatDate(row.createdAtMs),
  ...(row.nextAtMs === null ? {} : { nextAttempt: formatDate(row.nextAtMs) }),
  ...(row.cause === null ? {} : { cause: row.cause }),
  ...(row.evidence === null ? {} : { evidence: row.evidence }),
});

export const attemptOutBytes = (
  row: AttemptRow,
  withContent: boolean,
  message: MessageRecord | undefined,
): Buffer => {
  const fields = fieldsOf(row, withContent);
  return message === undefined
    ? Buffer.from(JSON.stringify(fields))
    : spliced(fields, 'msg', messageOut(message));
};

/**
 * Where a delivery stands, as fields beside a message or an endpoint.
 *
 * @param withCanceled False: for who knows no canceled ones, they are successes (`expanded_statuses`).
 */
export const standingOf = (row: DeliveryRow, withCanceled = true): Record<string, unknown> => {
  const status =
    row.status === deliveryStatus.canceled && !withCanceled ? deliveryStatus.success : row.status;
  return {
    status,
    statusText: statusText(status),
    nextAttempt: row.nextAtMs === null ? null : formatDate(row.nextAtMs),
  };
};

type Evidence = {
  readonly requestHeaders?: readonly HeaderPair[];
  readonly responseHeaders?: readonly HeaderPair[];
};

/** The headers of an attempt as the API shows them; none where it was lost with its node. */
export const attemptHeadersOut = ({ evidence }: AttemptRow) => {
  const { requestHeaders = [], responseHeaders } = (evidence ?? {}) as Evidence;
  const sent = new Map<string, string>();
  const sensitive = new Set<string>();
  for (const [name, value] of requestHeaders) {
    const before = sent.get(name);
    if (value === REDACTED) sensitive.add(name);
    else sent.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return {
    sentHeaders: Object.fromEntries(sent),
    responseHeaders: responseHeaders ?? null,
    sensitive: [...sensitive],
  };
};
