import type { Walk } from './paging.ts';
import type { Walked } from './port.ts';
import type { EventTypeFields, EventTypeRecord } from './records.ts';

/** The organisation would have more event types than it may; nothing was written. */
export type TooMuch = { readonly kind: 'too_much' };
export type EventTypeWritten =
  | { readonly kind: 'written'; readonly row: EventTypeRecord; readonly created: boolean }
  | TooMuch;
export type EventTypeWrite = { readonly name: string; readonly fields: EventTypeFields };

export type EventTypeStore = {
  readonly find: (orgId: string, name: string) => Promise<EventTypeRecord | null>;
  readonly list: (
    orgId: string,
    walk: Walk,
    filter: {
      readonly archived: boolean;
      readonly withSchemas: boolean;
      /** null: all; else those without flags or with one of these. */
      readonly featureFlags: readonly string[] | null;
    },
  ) => Promise<Walked<EventTypeRecord>>;
  /** Creates it, or takes an archived one back; `conflict` if it is there. */
  readonly create: (
    orgId: string,
    name: string,
    fields: EventTypeFields,
    nowMs: number,
  ) => Promise<EventTypeWritten | { readonly kind: 'conflict' }>;
  readonly upsert: (
    orgId: string,
    name: string,
    fields: EventTypeFields,
    nowMs: number,
  ) => Promise<EventTypeWritten>;
  readonly update: (
    orgId: string,
    name: string,
    changes: Partial<EventTypeFields>,
    nowMs: number,
  ) => Promise<EventTypeWritten | { readonly kind: 'missing' }>;
  /** Archives it, or deletes it for good. */
  readonly remove: (orgId: string, name: string, expunge: boolean, nowMs: number) => Promise<boolean>;
  /** All of an organisation by name, archived ones too. */
  readonly all: (orgId: string) => Promise<readonly EventTypeRecord[]>;
  /** Writes some and archives others, in one transaction. */
  readonly writeMany: (
    orgId: string,
    writes: readonly EventTypeWrite[],
    archive: readonly string[],
    nowMs: number,
  ) => Promise<{ readonly kind: 'written' } | TooMuch>;
  /** Those of `names` that do not exist (archived ones do). */
  readonly missing: (orgId: string, names: readonly string[]) => Promise<readonly string[]>;
};
