import { createHmac } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../ports.ts';
import { check, describeViolations, type CheckOptions, type Rule, type Violation } from './check.ts';
import type { Fault, History } from './history.ts';
import { type Behaviour, type Oracle, createOracle } from './oracle.ts';
import { type Producer, type ProducerOptions, startProducer } from './producer.ts';
import {
  type ServerPlan,
  type ServerProcess,
  endAll,
  jwtSecret,
  poll,
  startProcess,
} from './server-process.ts';
import { openDeliveries, takeSnapshot } from './snapshot.ts';

const ORGANISATION = 'org_23rb8YdGqMT0qIzpgGwdXfHirMu';
const DRAIN_MS = 30_000;
const SET_UP_TRIES = 15;

const options: CheckOptions = { settleLagMs: 1_000, recoveryMs: 20_000 };

export type ScenarioOptions = {
  /** As the tests reach the database. */
  readonly databaseUrl: string;
  /** As the server does, when that is another way. */
  readonly serverDatabaseUrl?: string;
  readonly receivers: readonly Behaviour[];
  /** How the server is to reach a receiver, when that is another way than straight. */
  readonly reach?: (receiverUrl: string) => string;
};

export type Verdict = {
  /** What is wrong, as text; empty when nothing is. */
  readonly problems: string;
  readonly rules: ReadonlySet<Rule>;
  readonly violations: readonly Violation[];
  /** Answers that no server should give. */
  readonly surprises: readonly string[];
  readonly history: History;
  /** Requests after a success of the same delivery. */
  readonly duplicates: number;
  readonly unknowns: number;
};

/** One database, receivers and producers outside of the system, and processes that come and go. */
export type Scenario = {
  readonly oracle: Oracle;
  /** Where the first server listens; it is the one that is set up. */
  readonly port: number;
  /** Starts another process at the same address; resolves at once. */
  readonly start: (plan?: Partial<ServerPlan>) => ServerProcess;
  /** Makes the application and its endpoints on a server that is ready. */
  readonly setUp: () => Promise<void>;
  readonly produce: (
    load: Pick<ProducerOptions, 'count' | 'pauseMs'> & { readonly url?: string },
  ) => Producer;
  readonly producers: () => readonly Producer[];
  /** Something that was done to the system; it explains what hit attempts in flight. */
  readonly fault: (fault: Fault) => void;
  /** Waits for a process that was killed or kills itself, and remembers that as a fault. */
  readonly died: (server: ServerProcess) => Promise<void>;
  /** Lets the producers finish, waits until nothing is open, and compares everything. */
  readonly conclude: (drainMs?: number) => Promise<Verdict>;
  readonly end: () => Promise<void>;
};

/** An HS256 token, made without the code under test. */
const signToken = (): string => {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: ORGANISATION })}`;
  return `${text}.${createHmac('sha256', jwtSecret).update(text).digest('base64url')}`;
};

/** A machine without time for the process is a fault like any other; a stop on purpose is told as one by itself. */
const lapses = (server: ServerProcess): Fault[] =>
  server
    .told()
    .filter(({ event }) => event === 'lapsed' && !server.wasStopped())
    .map(({ count, atMs }) => ({
      kind: 'lapse',
      sender: server.pid,
      fromMs: atMs - (count ?? 0),
      toMs: atMs,
    }));

const countDuplicates = (history: History): number => {
  const succeeded = history.requests.filter(({ answered }) => answered !== null && answered < 300);
  return succeeded.length - new Set(succeeded.map((one) => `${one.messageId} ${one.endpointId}`)).size;
};

export const createScenario = async (plan: ScenarioOptions): Promise<Scenario> => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const token = signToken();
  const oracle = await createOracle();
  const receivers = plan.receivers.map((behaviour) => oracle.receiver(behaviour));
  const processes: ServerProcess[] = [];
  const producers: Producer[] = [];
  const faults: Fault[] = [];
  const endpointIds: string[] = [];
  let applicationId = '';

  const ask = (method: string, path: string, body?: object): Promise<Response> =>
    fetch(`${url}/api/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', connection: 'close' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });

  const call = async (method: string, path: string, body?: object): Promise<Record<string, unknown>> => {
    let response = await ask(method, path, body);
    // What says to come back in a moment is asked again: the machine may be busy.
    for (let tries = 1; response.status === 503 && tries < SET_UP_TRIES; tries++) {
      await pause(1_000);
      response = await ask(method, path, body);
    }
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
    return JSON.parse(text) as Record<string, unknown>;
  };

  return {
    oracle,
    port,
    start: (more = {}) => {
      const databaseUrl = plan.serverDatabaseUrl ?? plan.databaseUrl;
      const server = startProcess({ databaseUrl, port, ...more });
      processes.push(server);
      return server;
    },
    setUp: async () => {
      const application = await call('POST', 'app', { name: 'Crash' });
      applicationId = String(application['id']);
      for (const receiver of receivers) {
        const endpoint = await call('POST', `app/${applicationId}/endpoint`, {
          url: plan.reach?.(receiver.url) ?? receiver.url,
        });
        const id = String(endpoint['id']);
        const secret = await call('GET', `app/${applicationId}/endpoint/${id}/secret`);
        receiver.know(id, String(secret['key']));
        endpointIds.push(id);
      }
    },
    produce: (load) => {
      const producer = startProducer({ url, token, applicationId, ...load });
      producers.push(producer);
      return producer;
    },
    producers: () => producers,
    fault: (fault) => {
      faults.push(fault);
    },
    died: async (server) => {
      const { code, signal, atMs } = await server.ended;
      if (signal !== 'SIGKILL')
        throw new Error(`The server ended by itself (${code ?? signal ?? ''}):\n${server.words()}`);
      faults.push({ kind: 'kill', sender: server.pid, fromMs: server.killedMs() ?? atMs, toMs: atMs });
    },
    conclude: async (drainMs = DRAIN_MS) => {
      for (const producer of producers) await producer.finish(drainMs);
      // What stays open is the checker's to tell.
      await poll(
        'no open delivery',
        async () => (await openDeliveries(plan.databaseUrl)).length === 0,
        drainMs,
      ).catch(() => {});
      await oracle.until('the last answers', () => oracle.inFlight() === 0);
      const history: History = {
        postings: producers.flatMap((producer) => producer.postings()),
        requests: oracle.requests(),
        faults: [...faults, ...processes.flatMap(lapses)],
        endpointIds,
        database: await takeSnapshot(plan.databaseUrl),
      };
      const violations = check(history, options);
      const surprises = producers.flatMap((producer) => producer.surprises());
      const words = processes.map((server, index) => `server ${index + 1} said:\n${server.words()}`);
      const isGood = violations.length === 0 && surprises.length === 0;
      const done = history.faults.map(
        ({ kind, sender, fromMs, toMs }) => `${kind} ${sender ?? ''} ${fromMs.toFixed()}..${toMs.toFixed()}`,
      );
      const problems = [
        describeViolations(violations),
        `faults: ${done.join(', ')}`,
        ...new Set(surprises.slice(0, 5)),
        ...words,
      ].join('\n');
      return {
        problems: isGood ? '' : problems,
        rules: new Set(violations.map(({ rule }) => rule)),
        violations,
        surprises,
        history,
        duplicates: countDuplicates(history),
        unknowns: history.database.attempts.filter(({ cause }) => cause === 'unknown').length,
      };
    },
    end: async () => {
      await Promise.all(producers.map((producer) => producer.close()));
      oracle.release();
      await endAll(processes);
      await oracle.close();
    },
  };
};
