import type { Authority } from './authority.ts';
import { type Behaviour, type Host, openHost } from './host.ts';
import type { NameServer } from './name-server.ts';

/** What exhibits share. */
export type Place = {
  /** Made on the spot: a sender under test has to trust it for the TLS cases to mean anything. */
  readonly authority: Authority;
  /** Answers for names below {@link ZONE}; a sender under test has to ask it. */
  readonly names: NameServer;
  /** How long the tarpit takes, in milliseconds: a little less than the sender's deadline. */
  readonly tarpitMs: number;
};

export const ZONE = 'zoo.example';

/** An exhibit that is there to be sent to. */
export type Opened = {
  readonly url: string;
  readonly connections: () => number;
  readonly requests: () => number;
  /** Connections to where nobody should ever go. */
  readonly trapped: () => number;
  /** Resolves when nobody is connected any more. */
  readonly allClosed: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** One bad habit of receivers. */
export type Exhibit = {
  /** Of the fifty-two kinds. */
  readonly kind: number;
  /** In kebab-case; unique. */
  readonly name: string;
  readonly does: string;
  /** What a good sender makes of it. */
  readonly expect: string;
  /** What to send, where that matters: so many bytes, or so many times in a row. */
  readonly send?: { readonly bytes?: number; readonly times?: number };
  readonly open: (place: Place) => Promise<Opened>;
};

export const opened = (host: Host, url: string, more: Partial<Opened> = {}): Opened => ({
  url,
  connections: host.connections,
  requests: () => host.requests.length,
  trapped: () => 0,
  allClosed: host.allClosed,
  close: host.close,
  ...more,
});

/** A server with this behaviour, called by its address. */
export const at =
  (behaviour: Behaviour, scheme: 'http' | 'https' = 'http'): Exhibit['open'] =>
  async () => {
    const host = await openHost(behaviour);
    return opened(host, `${scheme}://${host.address}:${host.port}/webhooks`);
  };
