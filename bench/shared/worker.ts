import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

/** Operations of a child process: one argument, one answer, both structured-cloneable. */
export type Operations = Record<string, (argument: never) => unknown>;

interface Call {
  readonly id: number;
  readonly operation: string;
  readonly argument: unknown;
}

type Reply =
  | { readonly id: number; readonly kind: 'result'; readonly value: unknown }
  | { readonly id: number; readonly kind: 'error'; readonly message: string };

interface Ready<Value> {
  readonly kind: 'ready';
  readonly value: Value;
}

/**
 * Runs in the child: says `ready` to the parent, then answers its calls. Ends
 * the process when the parent goes away, so that no child outlives the run.
 */
export function serve(ready: unknown, operations: Operations): void {
  const send = process.send?.bind(process);
  if (send === undefined) throw new Error('this file is started by `npm run bench`, not by hand');
  process.on('disconnect', () => process.exit(0));
  // What is sent to the whole group, as by the terminal's Ctrl-C, is for the parent.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {});
  process.on('message', (message) => {
    const call = message as Call;
    void answer(call, operations[call.operation]).then((reply) => send(reply));
  });
  send({ kind: 'ready', value: ready });
}

async function answer(call: Call, operation: ((argument: never) => unknown) | undefined): Promise<Reply> {
  if (operation === undefined) {
    return { id: call.id, kind: 'error', message: `no operation ${call.operation}` };
  }
  try {
    return { id: call.id, kind: 'result', value: await operation(call.argument as never) };
  } catch (error) {
    return { id: call.id, kind: 'error', message: String(error) };
  }
}

/** The parent's end of a child that runs `serve`. `O` names the child's operations. */
export class Worker<O extends Operations, R> {
  readonly pid: number;
  readonly ready: R;
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, (reply: Reply) => void>();
  #lastId = 0;
  #closing = false;

  private constructor(child: ChildProcess, pid: number, ready: R) {
    this.#child = child;
    this.pid = pid;
    this.ready = ready;
    child.on('message', (message) => {
      const reply = message as Reply;
      this.#pending.get(reply.id)?.(reply);
      this.#pending.delete(reply.id);
    });
    child.on('exit', (code, signal) => {
      if (this.#closing) return;
      const message = `a bench process (pid ${pid}) ended by itself: ${signal ?? String(code)}`;
      for (const [id, settle] of this.#pending) settle({ id, kind: 'error', message });
      this.#pending.clear();
    });
  }

  /** Starts `file` with one JSON argument and waits until it is ready. */
  static async start<O extends Operations, R>(file: URL, options: unknown): Promise<Worker<O, R>> {
    const child = fork(file, [JSON.stringify(options)], {
      serialization: 'advanced',
      // The child's own output goes to stderr: stdout belongs to the report.
      stdio: ['ignore', 2, 2, 'ipc'],
    });
    const exited = once(child, 'exit').then(([code]) => {
      throw new Error(`${file.pathname} ended with ${String(code)} before it was ready`);
    });
    const [message] = (await Promise.race([once(child, 'message'), exited])) as [Ready<R>];
    exited.catch(() => undefined);
    if (child.pid === undefined) throw new Error(`${file.pathname} has no process id`);
    return new Worker<O, R>(child, child.pid, message.value);
  }

  /** Calls one operation of the child; rejects when it throws or the child ends. */
  async call<Name extends keyof O & string>(
    operation: Name,
    argument: Parameters<O[Name]>[0],
  ): Promise<Awaited<ReturnType<O[Name]>>> {
    const id = ++this.#lastId;
    const reply = await new Promise<Reply>((resolve) => {
      this.#pending.set(id, resolve);
      this.#child.send({ id, operation, argument } satisfies Call);
    });
    if (reply.kind === 'error') throw new Error(reply.message);
    return reply.value as Awaited<ReturnType<O[Name]>>;
  }

  /** Ends the child and waits until it is gone. */
  async stop(): Promise<void> {
    this.#closing = true;
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}
