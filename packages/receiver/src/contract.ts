import type { ErrorCode, RefusalCode } from './errors.ts';

/** Fetch's Headers, or an object as Node, Lambda and others make it; names in any case. */
export type HeadersLike =
  | { readonly get: (name: string) => string | null }
  | { readonly [name: string]: string | readonly string[] | undefined };

/** One request as the receiver sees it: raw bytes, never parsed. */
export type IncomingRequest = {
  readonly method: string;
  /** As the sender addressed it, absolute where the host knows it. */
  readonly url: string;
  readonly headers: HeadersLike;
  readonly body: Uint8Array;
  /** The other end of the connection, without its port: a proxy's, if there is one. */
  readonly peerAddress?: string | undefined;
};

export type Verified = {
  readonly ok: true;
  /** Deduplicates: the same in every attempt of one event. null: the source gives none. */
  readonly id: string | null;
  /** Unix time that the sender signed, in milliseconds. null: the source signs none. */
  readonly timestampMs: number | null;
  readonly eventType?: string;
  /** Index of the secret that matched; not 0 while a rotation is under way. */
  readonly secretIndex?: number;
};

export type Refused = {
  readonly ok: false;
  readonly code: RefusalCode;
  /** For the sender's log: what, why, what to do. Holds no secret and no payload. */
  readonly message: string;
  /** The header or field that it is about. */
  readonly field?: string;
  /** For this side's log only: the reason behind the reason. */
  readonly log?: string;
};

/** A preset (GitHub, Stripe, …), a generic HMAC description, or a source without HMAC. */
export type Source = {
  readonly name: string;
  /** Never rejects for what a sender does. */
  readonly check: (request: IncomingRequest) => Promise<Verified | Refused>;
  /** How long this sender retries, for the warning about a deduplication that forgets sooner. */
  readonly retryWindowMs?: number;
  /** How long this sender waits for an answer, where that is less than a handler's usual 5 s. */
  readonly patienceMs?: number;
  /**
   * What a handler answers by itself to a request that passed the check and is no event, as Slack's
   * `url_verification` is: 200 with this. null: an event.
   */
  readonly challenge?: (
    request: IncomingRequest,
  ) => { readonly contentType: string; readonly body: string } | null;
};

/** What an allow-list is asked before the body is read. Never rejects. */
export type Admit = (
  request: Pick<IncomingRequest, 'headers' | 'peerAddress'>,
) => Promise<{ readonly ok: true } | Refused>;

/** A verified event as the handler gets it. */
export type ReceivedEvent = {
  readonly id: string | null;
  /** The source's name. */
  readonly source: string;
  readonly receivedAtMs: number;
  /** Of the Content-Type header; empty when there is none. */
  readonly contentType: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** The body as JSON. @throws SyntaxError */
  readonly json: () => unknown;
  readonly eventType?: string;
};

export type Claim =
  | { readonly kind: 'first'; readonly token: string }
  | { readonly kind: 'done' }
  | { readonly kind: 'busy'; readonly retryAfterMs: number };

/** Remembers what was handled. `claim` is atomic: of concurrent callers one gets 'first'. */
export type DedupStore = {
  readonly claim: (
    key: string,
    options: { readonly ttlMs: number; readonly leaseMs: number; readonly nowMs: number },
  ) => Promise<Claim>;
  /**
   * The effect is safe: answer 'done' from now on. 'lost': the lease had run out and another took the
   * key meanwhile, whose claim stands; the effect may happen twice, so tell it (SeenFact 'overtaken').
   */
  readonly done: (key: string, token: string) => Promise<'kept' | 'lost'>;
  /** The effect did not happen: the next one is 'first' again. */
  readonly forget: (key: string, token: string) => Promise<void>;
};

/** Takes events instead of a handler (inbox, queue); 2xx follows 'stored' and 'duplicate' only. */
export type Sink = {
  readonly put: (
    event: ReceivedEvent,
    key: string | null,
  ) => Promise<
    | { readonly kind: 'stored' }
    | { readonly kind: 'duplicate' }
    | { readonly kind: 'full'; readonly retryAfterMs: number }
  >;
};

/** What happened to one request or event. Never holds payloads, headers or secrets. */
export type SeenFact = {
  readonly source: string;
  /** W3C trace context of the request, as it came (bounded, checked for its form). */
  readonly traceparent?: string;
} & (
  | { readonly kind: 'received'; readonly bytes: number }
  | { readonly kind: 'rejected'; readonly code: ErrorCode; readonly status: number }
  | { readonly kind: 'duplicate'; readonly id: string | null }
  | { readonly kind: 'accepted'; readonly id: string | null; readonly to: 'handler' | 'sink' }
  /** `ageMs`: from received to done, which for an inbox includes the waiting. */
  | {
      readonly kind: 'processed';
      readonly id: string | null;
      readonly durationMs: number;
      readonly ageMs: number;
      readonly attempt: number;
    }
  | {
      readonly kind: 'failed';
      readonly id: string | null;
      readonly durationMs: number;
      readonly attempt: number;
      /** The error's name, not its message. */
      readonly error: string;
    }
  | { readonly kind: 'dead'; readonly id: string | null; readonly attempts: number }
  /** Took longer than its lease and another started the same event: the effect may have happened twice. */
  | { readonly kind: 'overtaken'; readonly id: string | null; readonly durationMs: number }
  /** How an inbox stands, from time to time; `source` is the inbox's name. */
  | {
      readonly kind: 'inbox';
      readonly waiting: number;
      readonly running: number;
      readonly dead: number;
      /** Of the oldest that waits or runs; 0 when there is none. */
      readonly oldestAgeMs: number;
    }
);

/** The one hook. What it throws is ignored. */
export type Seen = (fact: SeenFact) => void;

/**
 * Wraps work into a span: a request from its headers to the answer, or one try of a handler (also a
 * worker's, long after the answer). `run` is given what to tell facts to.
 */
export type Trace = <T>(
  span: { readonly kind: 'receive' | 'process'; readonly source: string; readonly traceparent?: string },
  run: (note: Seen) => Promise<T>,
) => Promise<T>;
