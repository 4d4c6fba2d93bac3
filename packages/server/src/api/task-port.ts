import type { Walk } from './paging.ts';
import type { Walked } from './port.ts';
import type { BroadcastMessage, TaskInput, TaskKind, TaskRecord, TaskStatus } from './records.ts';

export type TaskStore = {
  readonly create: (task: {
    readonly id: string;
    /** Of an application, or of the whole organisation. */
    readonly path: { readonly orgId: string; readonly applicationId: string | null };
    readonly kind: TaskKind;
    readonly input: TaskInput;
    readonly nowMs: number;
  }) => Promise<TaskRecord>;
  readonly find: (orgId: string, id: string) => Promise<TaskRecord | null>;
  readonly list: (
    orgId: string,
    walk: Walk,
    filter: { readonly status: TaskStatus | null; readonly kinds: readonly TaskKind[] },
  ) => Promise<Walked<TaskRecord>>;
  /** Ends a running task where it is; what it has done stays done. null: it is not running. */
  readonly cancel: (orgId: string, id: string) => Promise<TaskRecord | null>;
  /**
   * Works off one chunk of one running task, in one transaction with the task's progress; other
   * nodes skip a task that is being worked on. A task that the database refuses is failed.
   * null: nothing can be done now. Rejects when `post` does; the chunk then comes again.
   */
  readonly workOne: (chunk: number, post: BroadcastPost) => Promise<TaskStep | null>;
  /** What the task found, by key, from beyond `from`; one more than `limit` if there is more. */
  readonly items: (
    path: { readonly orgId: string; readonly taskId: string },
    from: string | null,
    limit: number,
  ) => Promise<readonly { readonly key: string; readonly value: unknown }[]>;
};

/**
 * Accepts a broadcast's message for one application, once however often it is asked to; null when
 * the application takes none (it is gone, or has the event id already). Rejects when that cannot be
 * done or known now.
 */
export type BroadcastPost = (
  task: { readonly id: string; readonly orgId: string },
  applicationId: string,
  message: BroadcastMessage,
) => Promise<string | null>;

export type TaskStep = {
  readonly taskId: string;
  readonly finished: boolean;
  /** Endpoints that got work. */
  readonly endpointIds: readonly string[];
};
