import type { Socket } from 'node:net';
import type { AttemptResult } from '../domain/attempt.ts';
import { type ConnectDeps, type ConnectProgress, newProgress, openSocket } from './connect.ts';
import { ResponseParser, type ResponseSink } from './response-parser.ts';
import type { Target } from './url.ts';

/** Whom a connection serves: one request, one response. Nothing is told after `onEnd`, `onInvalid` or an error. */
export type ConnectionUser = ResponseSink & {
  /** Asked once the socket is open, where that took its time; false: the user has ended. */
  readonly mayWrite: () => boolean;
  /** From now on the peer may have the request. */
  readonly onWrite: () => void;
  /** Something of a response came. */
  readonly onBytes: () => void;
  /** There is no connection, and why. */
  readonly onNoConnection: (result: AttemptResult) => void;
  /** The connection broke before the response's end; undefined: the peer closed it. */
  readonly onBroken: (error: Error | undefined) => void;
};

/** A busy socket is renewed after this many requests, so that a changed DNS record is followed. */
const REQUESTS_PER_SOCKET = 1_000;
/** Below this, copying the body behind the head is cheaper than a write of two parts. */
const COPIED_BYTES = 16_384;

const nothing = (): void => {};

/**
 * One socket towards a receiver, opened by its first request. It serves one request at a time, so a
 * failure takes down exactly one; bytes that come while it serves none end it.
 */
export class Connection {
  readonly target: Target;
  progress: ConnectProgress = newProgress();
  state: 'busy' | 'idle' | 'gone' = 'busy';
  /** Monotonic milliseconds; what an idle one lives to. */
  idleUntilMs = 0;

  readonly #deps: ConnectDeps;
  readonly #onIdleEnd: (connection: Connection) => void;
  #socket: Socket | null = null;
  #stopConnecting = nothing;
  #user: ConnectionUser | null = null;
  #parser: ResponseParser | null = null;
  #served = 0;

  /** @param onIdleEnd Called when the peer ends it, or says something, between two requests. */
  constructor(target: Target, deps: ConnectDeps, onIdleEnd: (connection: Connection) => void) {
    this.target = target;
    this.#deps = deps;
    this.#onIdleEnd = onIdleEnd;
  }

  /** It has served an earlier request. */
  get isUsed(): boolean {
    return this.#served > 0;
  }

  /** @param head Request line and header lines with the empty line at their end, latin1. */
  send(user: ConnectionUser, head: string, body: Uint8Array): void {
    this.#user = user;
    this.#parser = new ResponseParser(user);
    if (this.#socket !== null) return this.#write(this.#socket, head, body);
    this.#stopConnecting = openSocket(this.target, this.progress, this.#deps, (opened) => {
      if (!opened.ok) return user.onNoConnection(opened.result);
      this.#listen(opened.socket);
      if (user.mayWrite()) this.#write(opened.socket, head, body);
    });
  }

  /** The user is served. True when the connection can serve another one. */
  release(): boolean {
    this.#user = null;
    this.#parser = null;
    // An answer may come before the whole request is sent: then the rest of it is still on its way.
    return ++this.#served < REQUESTS_PER_SOCKET && this.#socket?.writableLength === 0;
  }

  destroy(): void {
    this.#user = null;
    this.#parser = null;
    this.#stopConnecting();
    this.#socket?.destroy();
  }

  #listen(socket: Socket): void {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => {
      if (this.#user === null || this.#parser === null) return this.#onIdleEnd(this);
      this.#user.onBytes();
      this.#parser.push(bytes);
    });
    socket.on('end', () => {
      if (this.#parser?.close() !== true) this.#broken(undefined);
    });
    socket.on('error', (error) => this.#broken(error));
    socket.on('close', () => this.#broken(undefined));
  }

  #broken(error: Error | undefined): void {
    if (this.#user === null) this.#onIdleEnd(this);
    else this.#user.onBroken(error);
  }

  #write(socket: Socket, head: string, body: Uint8Array): void {
    this.#user?.onWrite();
    if (head.length + body.length > COPIED_BYTES) {
      socket.cork();
      socket.write(head, 'latin1');
      socket.write(body);
      socket.uncork();
      return;
    }
    const bytes = Buffer.allocUnsafe(head.length + body.length);
    bytes.write(head, 0, 'latin1');
    bytes.set(body, head.length);
    socket.write(bytes);
  }
}
