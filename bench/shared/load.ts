/**
 * The load generator: keep-alive connections over raw `net`, each with its own
 * pre-built request in which only the sequence number (and keys) change. Either
 * a closed loop (the next request when the answer is there) or paced.
 */
import { connect, type Socket } from 'node:net';
import { Framer, statusOf } from './framing.ts';
import { monotonicMs } from './monotonic.ts';
import { buildRequest, type RequestPlan, stamp } from './requests.ts';
import { serve } from './worker.ts';

export interface LoadPlan extends RequestPlan {
  /** Instead of `application`: each connection posts to another of them, and connections take turns. */
  readonly applications?: readonly string[];
  readonly connections: number;
  readonly durationMs: number;
  /** Messages a second; undefined = as many as are answered. */
  readonly rate: number | undefined;
  readonly firstSequence: number;
  /** Most messages that may be sent. */
  readonly capacity: number;
  readonly salt: number;
  /** Keep the times of sending and of the 202 per message. */
  readonly times: boolean;
}

export interface LoadResult {
  readonly sent: number;
  readonly accepted: number;
  readonly refusedByStatus: Readonly<Record<string, number>>;
  readonly firstRefusal: string | undefined;
  /** How long each answer took that was no 202, in ms. */
  readonly refusalMs: Float64Array;
  /** Of them, those without a `Retry-After`. */
  readonly refusedForGood: number;
  /** 1 for each message of the window that was acknowledged. */
  readonly acknowledged: Uint8Array;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly sentAtMs: Float64Array | undefined;
  readonly acceptedAtMs: Float64Array | undefined;
  /** Paced only: sends that had to wait for a free connection. */
  readonly late: number;
}

export type LoadOperations = { run: (plan: LoadPlan) => Promise<LoadResult> };

/** A refused sender waits, so that an overloaded server is not also hammered. */
const refusalPauseMs = 20;

/** libuv fills it and calls back before the next socket reads, so one serves all. */
const readBuffer = Buffer.allocUnsafe(256 * 1024);

class Run {
  readonly #plan: LoadPlan;
  readonly #acknowledged: Uint8Array;
  readonly #sentAtMs: Float64Array | undefined;
  readonly #acceptedAtMs: Float64Array | undefined;
  readonly #sockets: Socket[] = [];
  readonly #idle: (() => void)[] = [];
  readonly #refused: Record<string, number> = {};
  #firstRefusal: string | undefined;
  readonly #refusalMs: number[] = [];
  #refusedForGood = 0;
  #next = 0;
  #accepted = 0;
  #inFlight = 0;
  #late = 0;
  #stopped = false;
  #settle: { resolve: () => void; reject: (error: Error) => void } | undefined;

  constructor(plan: LoadPlan) {
    this.#plan = plan;
    this.#acknowledged = new Uint8Array(plan.capacity);
    this.#sentAtMs = plan.times ? new Float64Array(plan.capacity) : undefined;
    this.#acceptedAtMs = plan.times ? new Float64Array(plan.capacity) : undefined;
  }

  async go(): Promise<LoadResult> {
    const plan = this.#plan;
    await Promise.all(Array.from({ length: plan.connections }, (_, n) => this.#connect(n)));
    const settled = new Promise<void>((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    const startedAtMs = monotonicMs();
    const stop = setTimeout(() => this.#stop(), plan.durationMs);
    if (plan.rate === undefined) {
      for (const send of this.#idle.splice(0)) send();
    } else {
      this.#pace(plan.rate, startedAtMs);
    }
    await settled.finally(() => clearTimeout(stop));
    const endedAtMs = monotonicMs();
    for (const socket of this.#sockets) socket.destroy();
    return {
      sent: this.#next,
      accepted: this.#accepted,
      refusedByStatus: this.#refused,
      firstRefusal: this.#firstRefusal,
      refusalMs: Float64Array.from(this.#refusalMs),
      refusedForGood: this.#refusedForGood,
      acknowledged: this.#acknowledged,
      startedAtMs,
      endedAtMs,
      sentAtMs: this.#sentAtMs,
      acceptedAtMs: this.#acceptedAtMs,
      late: this.#late,
    };
  }

  #stop(): void {
    this.#stopped = true;
    if (this.#inFlight === 0) this.#settle?.resolve();
  }

  #pace(rate: number, startedAtMs: number): void {
    const tick = (): void => {
      if (this.#stopped) return;
      const due = ((monotonicMs() - startedAtMs) * rate) / 1000;
      while (this.#next < due && !this.#stopped) {
        const send = this.#plan.applications === undefined ? this.#idle.pop() : this.#idle.shift();
        if (send === undefined) {
          this.#late++;
          break;
        }
        send();
      }
      setTimeout(tick, 1);
    };
    tick();
  }

  #connect(n: number): Promise<void> {
    const plan = this.#plan;
    const { applications = [plan.application] } = plan;
    const template = buildRequest({ ...plan, application: applications[n % applications.length]! });
    let first = 0;
    let sentAtMs = 0;
    const framer = new Framer((buffer, start, bodyStart, end) => {
      this.#inFlight--;
      const status = statusOf(buffer, start);
      if (status === 202) {
        this.#accept(first);
        if (plan.batch > 1) this.#withdraw(first, buffer.subarray(bodyStart, end));
        this.#proceed(send);
      } else {
        const answer = buffer.toString('utf8', start, Math.min(end, start + 2000));
        this.#refusalMs.push(monotonicMs() - sentAtMs);
        if (!/\r\nretry-after: *\d/i.test(answer)) this.#refusedForGood++;
        this.#refuse(status, answer);
        setTimeout(() => this.#proceed(send), refusalPauseMs);
      }
    });
    const socket = connect({
      host: '127.0.0.1',
      port: plan.port,
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (length, buffer) => {
          framer.push(buffer as Buffer, length);
          return true;
        },
      },
    });
    const send = (): void => {
      first = this.#next;
      this.#next += plan.batch;
      this.#inFlight++;
      stamp(template, template.bytes, plan.firstSequence + first, plan.salt);
      sentAtMs = monotonicMs();
      this.#sentAtMs?.fill(sentAtMs, first, first + plan.batch);
      socket.write(template.bytes);
    };
    this.#sockets.push(socket);
    this.#idle.push(send);
    return new Promise((resolve, reject) => {
      const fail = (reason: string) => () => {
        const error = new Error(`the server closed a connection of the load generator: ${reason}`);
        reject(error);
        if (!this.#stopped || this.#inFlight > 0) this.#settle?.reject(error);
      };
      socket.on('connect', resolve);
      socket.on('error', (error) => fail(error.message)());
      socket.on('end', fail('end of stream'));
    });
  }

  #accept(first: number): void {
    const until = first + this.#plan.batch;
    this.#accepted += this.#plan.batch;
    this.#acknowledged.fill(1, first, until);
    if (this.#acceptedAtMs !== undefined) this.#acceptedAtMs.fill(monotonicMs(), first, until);
  }

  /** A batch answers 202 as a whole; its items that failed carry an error and another status. */
  #withdraw(first: number, body: Buffer): void {
    if (!body.includes('"error":')) return;
    const { data } = JSON.parse(body.toString()) as { data: { status: number; error?: unknown }[] };
    for (const [index, item] of data.entries()) {
      if (item.status === 202) continue;
      this.#acknowledged[first + index] = 0;
      this.#accepted--;
      this.#refuse(item.status, JSON.stringify(item.error));
    }
  }

  #refuse(status: number, answer: string): void {
    this.#refused[status] = (this.#refused[status] ?? 0) + 1;
    this.#firstRefusal ??= answer;
  }

  #proceed(send: () => void): void {
    if (this.#next + this.#plan.batch > this.#plan.capacity) this.#stopped = true;
    if (this.#stopped) {
      if (this.#inFlight === 0) this.#settle?.resolve();
    } else if (this.#plan.rate === undefined) send();
    else this.#idle.push(send);
  }
}

const operations: LoadOperations = { run: (plan) => new Run(plan).go() };
serve(undefined, operations);
