import type pg from 'pg';

/** Whose rows a session sees: those of one organisation, or all (null). */
export type Tenancy = {
  /** Queues what makes it so, if it is not so already; null: nothing has to be sent. */
  readonly enter: (client: pg.ClientBase, org: string | null) => Promise<unknown> | null;
  /** What a rolled back transaction had changed is as before: nobody knows how that was. */
  readonly forget: (client: pg.ClientBase) => void;
};

const enter = {
  name: 'tenancy_enter',
  text: `select set_config('role', $1, false), set_config('posthorn.org', $2, false)`,
};
const EVERYBODY = '';

/** @param role The role that is subject to the policies; null: there is none, and everybody sees all rows. */
export const createTenancy = (role: string | null): Tenancy => {
  if (role === null) return { enter: () => null, forget: () => {} };
  /** What each session was told last; a new one sees all. */
  const told = new WeakMap<pg.ClientBase, string | undefined>();
  return {
    enter: (client, org) => {
      const wanted = org ?? EVERYBODY;
      if ((told.has(client) ? told.get(client) : EVERYBODY) === wanted) return null;
      told.set(client, wanted);
      return client
        .query({ ...enter, values: org === null ? ['none', EVERYBODY] : [role, org] })
        .catch((error: unknown) => {
          told.set(client, undefined);
          // Nobody knows as whom the statement behind it ran: no code, so that its outcome is unknown.
          throw new Error(`the session could not take a tenant's role: ${(error as Error).message}`);
        });
    },
    forget: (client) => told.set(client, undefined),
  };
};
