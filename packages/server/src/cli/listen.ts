import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import {
  APP_OPTION,
  application,
  connect,
  CONNECTION_OPTIONS,
  type Connection,
  type Json,
  str,
} from './connection.ts';
import { ANSWER_MS, forward, parseTarget, type Forwarded } from './forward.ts';
import { openCursor, type CursorFile } from './listen-cursor.ts';
import { openLink, type Link } from './listen-link.ts';
import { createLoop } from './listen-loop.ts';
import type { ExitCode } from './output.ts';
import { plain } from './printer.ts';
import {
  choice,
  limitOf,
  list,
  moment,
  text,
  ToolFailure,
  usage,
  type Tool,
  type ToolInput,
} from './tool.ts';

export const listenTool: Tool = {
  usage: 'listen <target>',
  summary:
    'Forward an application’s messages to a local port (3000 or 3000/path), as its endpoint gets them.',
  options: [
    ...CONNECTION_OPTIONS,
    APP_OPTION,
    [
      '--endpoint <endpoint>',
      'Through the eyes of this endpoint: its filters, headers and secret. Default: one made for listening.',
    ],
    ['--name <name>', 'Another endpoint made for listening, with a secret and a cursor of its own.'],
    ['--events <types>', 'Only these event types, separated by commas.'],
    [
      '--since <moment>',
      'Begin there, for a listener that was never here before: 10m, 2h, 3d or RFC 3339. Default: now.',
    ],
    [
      '--replay-missed <yes|no>',
      'Forward what came while nobody listened. Default: ask in a terminal, yes elsewhere.',
    ],
    ['--limit <count>', 'End after so many.'],
  ],
  run: (input) => listen(input),
};

const UID = 'posthorn-listen';
/** Reserved by RFC 2606: nobody can ever be reached there, should somebody enable the endpoint. */
const NOWHERE = 'https://posthorn-listen.invalid/';
/** A receiver that takes longer is spoken of: silence looks like nothing coming in. */
const SLOW_MS = 3_000;
const NAME = /^[A-Za-z0-9\-_.]{1,64}$/;

/** The endpoint to listen as; one made for listening is disabled, so that nothing is sent to it. */
const endpointFor = async (
  { call, find }: Connection,
  app: string,
  flags: ToolInput['flags'],
): Promise<Json> => {
  const named = text(flags, 'endpoint');
  const name = text(flags, 'name');
  if (named !== undefined) {
    const found = await find(`/app/${app}/endpoint/${encodeURIComponent(named)}`);
    if (found !== null) return found;
    throw new ToolFailure(
      1,
      'not_found',
      `There is no endpoint ${named} in ${app}.`,
      'posthorn endpoints list shows them.',
    );
  }
  if (name !== undefined && !NAME.test(name)) throw usage('--name takes letters, digits, "-", "_" and ".".');
  const uid = name === undefined ? UID : `${UID}-${name}`;
  const known = await find(`/app/${app}/endpoint/${uid}`);
  if (known !== null) return known;
  const created = call('POST', `/app/${app}/endpoint`, {
    uid,
    url: NOWHERE,
    disabled: true,
    description: 'Made by posthorn listen, which forwards what it subscribes to. Leave it disabled.',
  });
  // Somebody else's listen may have made it in between.
  return created.catch(async (error: unknown) => {
    const theirs = await find(`/app/${app}/endpoint/${uid}`);
    if (theirs === null) throw error;
    return theirs;
  });
};

const stateDirectory = (env: ToolInput['env']): string =>
  join(env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'posthorn', 'listen');

/** Yes unless the answer begins with n. Ctrl-C decides nothing: the promise then stays open. */
const ask = (question: string): Promise<boolean> => {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  return new Promise((resolve) => {
    // A terminal that is asked a question keeps its signals to itself.
    lines.once('SIGINT', () => process.kill(process.pid, 'SIGINT'));
    lines.once('close', () => resolve(true));
    lines.question(`${question} [Y/n] `, (answer) => {
      resolve(!/^\s*n/i.test(answer));
      lines.close();
    });
  });
};

const clockText = (nowMs: number): string => new Date(nowMs).toTimeString().slice(0, 8);

const listen = async (input: ToolInput): Promise<ExitCode> => {
  const { args, flags, clock, env } = input;
  const target = parseTarget(args[0] ?? '');
  const limit = limitOf(flags);
  const sinceMs = moment(flags, 'since', clock.nowMs()) ?? null;
  const replay = choice(flags, 'replayMissed', ['ask', 'yes', 'no'], 'ask');
  const connection = await connect(input);
  const app = await application(connection, flags, env);
  const endpoint = await endpointFor(connection, app, flags);
  const endpointId = str(endpoint['id']);
  const endpointName = str(endpoint['uid'] ?? endpointId);
  const key = { url: connection.url, application: app, endpoint: endpointId };
  const file = await openCursor(stateDirectory(env), key);
  if (file.heldBy !== null)
    throw new ToolFailure(
      1,
      'already_listening',
      `Process ${file.heldBy} listens as ${endpointName} already.`,
      'Stop it, or listen with --name to get a second one.',
    );
  await file.save(file.cursor);
  const events = list(flags, 'events');
  const query = events === undefined ? '' : `?event_types=${encodeURIComponent(events.join(','))}`;
  return new Listening(input, {
    target,
    limit,
    sinceMs,
    replay,
    file,
    address: `${connection.url.replace(/^http/, 'ws')}/api/v1/app/${app}/endpoint/${endpointId}/listen${query}`,
    token: connection.token,
    facts: {
      url: connection.url,
      application: app,
      endpoint: endpointName,
      endpointId,
      target: target.url,
      events: events ?? null,
    },
  }).run();
};

type Plan = {
  readonly target: ReturnType<typeof parseTarget>;
  readonly limit: number;
  readonly sinceMs: number | null;
  readonly replay: 'ask' | 'yes' | 'no';
  readonly file: CursorFile;
  readonly address: string;
  readonly token: string;
  readonly facts: {
    readonly url: string;
    readonly application: string;
    readonly endpoint: string;
    readonly endpointId: string;
    readonly target: string;
    readonly events: readonly string[] | null;
  };
};

/** One run of `posthorn listen`: what it says of link and events, and how it ends. */
class Listening {
  readonly #input: ToolInput;
  readonly #plan: Plan;
  readonly #abort = new AbortController();
  #state: 'new' | 'up' | 'down' = 'new';
  #isIntroduced = false;
  #isHinted = false;
  #count = 0;
  #failed = 0;
  #end: (code: ExitCode | ToolFailure) => void = () => {};

  constructor(input: ToolInput, plan: Plan) {
    this.#input = input;
    this.#plan = plan;
  }

  async run(): Promise<ExitCode> {
    const { clock, random } = this.#input;
    const { target, file, address, token, sinceMs } = this.#plan;
    const ended = new Promise<ExitCode | ToolFailure>((resolve) => (this.#end = resolve));
    void this.#input.stop().asked.then(() => this.#end(0));
    let link: Link | null = null;
    const loop = createLoop(file.cursor, {
      monotonicMs: clock.monotonicMs,
      sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      send: (frame) => link?.send(frame) ?? false,
      save: file.save,
      forward: (event) => {
        const answer = forward(
          target,
          event.headers,
          Buffer.from(event.body, 'base64'),
          clock.monotonicMs,
          this.#abort.signal,
        );
        const impatience = setTimeout(() => this.#waiting(event.id, event.eventType), SLOW_MS);
        return answer.finally(() => clearTimeout(impatience));
      },
      sinceMs,
      wantsMissed: (missed, more) => this.#wantsMissed(missed, more),
      on: {
        ready: (missed, more) => this.#ready(missed, more),
        forwarded: (event, outcome) => this.#forwarded(event.id, event.eventType, outcome),
        gone: (id, eventType) =>
          this.#say(
            { kind: 'gone', id, eventType },
            `${plain(eventType)}  ${id}  its payload has expired: nothing to forward`,
          ),
        holding: (is) => this.#holding(is),
        stalled: (why) =>
          this.#say(
            { kind: 'stalled', why },
            `The server cannot read messages now (${plain(why)}); it keeps trying.`,
          ),
      },
    });
    link = openLink(address, token, random.float, {
      onOpen: loop.opened,
      onFrame: loop.take,
      onDown: (why) => this.#down(why),
      onRefused: (status, why) =>
        this.#end(
          new ToolFailure(1, 'refused', `The server refuses to be listened to (${status}): ${plain(why)}`),
        ),
    });
    const end = await ended;
    // What the receiver is working on may finish; an answer after that is not waited for.
    const giveUp = setTimeout(() => this.#abort.abort(), 1_000);
    await loop.end();
    clearTimeout(giveUp);
    link.close();
    if (end instanceof ToolFailure) throw end;
    const bad = this.#failed === 0 ? '' : `, ${this.#failed} not answered with 2xx`;
    this.#say(
      { kind: 'ended', forwarded: this.#count, failed: this.#failed },
      `forwarded ${this.#count}${bad}`,
    );
    return end;
  }

  #say(value: Json, line: string): void {
    if (this.#input.print.json) this.#input.print.result(value, '');
    else this.#input.print.note(`  ${line}`);
  }

  async #wantsMissed(missed: number, more: boolean): Promise<boolean> {
    const { terminal } = this.#input;
    const { replay } = this.#plan;
    if (replay !== 'ask') return replay === 'yes';
    if (!terminal.input || !terminal.errors || this.#input.print.json) return true;
    return ask(`  ${missed}${more ? ' or more' : ''} missed while offline: replay?`);
  }

  #ready(missed: number, more: boolean): void {
    const { facts } = this.#plan;
    const { print } = this.#input;
    const backlog = missed === 0 ? '' : `, ${missed}${more ? ' or more' : ''} missed ones come first`;
    if (this.#isIntroduced) {
      this.#say({ kind: 'link', state: 'up', missed, more }, `link up again${backlog}`);
    } else {
      const scope = facts.events === null ? 'all that it subscribes to' : facts.events.join(', ');
      const app = `--app ${facts.application}`;
      print.result({ kind: 'link', state: 'up', missed, more, ...facts }, () =>
        [
          '',
          `  link up    ${facts.url}${backlog}`,
          `  forwarding ${scope} of ${facts.application} to ${facts.target}`,
          `  signed as  endpoint ${facts.endpoint}; its secret:`,
          `             posthorn endpoints secret ${facts.endpoint} ${app}`,
          `  try it     posthorn trigger user.created ${app}`,
          '',
        ].join('\n'),
      );
    }
    this.#state = 'up';
    this.#isIntroduced = true;
  }

  #down(why: string): void {
    if (this.#state !== 'down')
      this.#say(
        { kind: 'link', state: 'down', why },
        `link down (${plain(why)}): nothing is lost, trying to reach ${this.#plan.facts.url}`,
      );
    this.#state = 'down';
  }

  #holding(is: boolean): void {
    const { url } = this.#plan.target;
    this.#say(
      { kind: 'holding', is },
      is ? `nothing listens at ${url}: holding events until something does` : `${url} is there again`,
    );
  }

  #waiting(id: string, eventType: string): void {
    const seconds = SLOW_MS / 1000;
    this.#say(
      { kind: 'waiting', id, eventType, seconds },
      `${this.#plan.target.url} has not answered ${plain(eventType)} ${id} for ${seconds} s; it has ${ANSWER_MS / 1000} s, as of a server`,
    );
  }

  /** What a receiver said that did not take it; whose secret it should have, the first time. */
  #reasons(outcome: Forwarded): readonly string[] {
    if (outcome.kind !== 'answered' || outcome.status < 300) return [];
    const { endpoint, application: app } = this.#plan.facts;
    const said = outcome.body === '' ? [] : [plain(outcome.body)];
    const isRefused = [400, 401, 403].includes(outcome.status) && !this.#isHinted;
    this.#isHinted ||= isRefused;
    const hint = `does it verify with this secret? posthorn endpoints secret ${endpoint} --app ${app}`;
    return [...said, ...(isRefused ? [hint] : [])].map((line) => `            ${line}`);
  }

  #forwarded(id: string, eventType: string, outcome: Exclude<Forwarded, { kind: 'refused' }>): boolean {
    const { print, clock } = this.#input;
    const status = outcome.kind === 'answered' ? outcome.status : null;
    const isGood = status !== null && status >= 200 && status < 300;
    this.#count += 1;
    if (!isGood) this.#failed += 1;
    const shown = outcome.kind === 'answered' ? String(outcome.status) : plain(outcome.why);
    print.result(
      {
        kind: 'forwarded',
        id,
        eventType,
        status,
        durationMs: outcome.durationMs,
        error: outcome.kind === 'failed' ? outcome.why : null,
        answer: outcome.kind === 'answered' && !isGood ? outcome.body : null,
      },
      () =>
        [
          `  ${clockText(clock.nowMs())}  ${print.paint(isGood ? 'green' : 'red', shown)}  ${outcome.durationMs} ms  ${plain(eventType)}  ${id}`,
          ...this.#reasons(outcome),
        ].join('\n'),
    );
    const isEnough = this.#count >= this.#plan.limit;
    if (isEnough) this.#end(0);
    return isEnough;
  }
}
