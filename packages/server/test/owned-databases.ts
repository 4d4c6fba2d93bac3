// Databases of users who are no superusers, for what depends on who may do what.
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll } from 'vitest';
import { testServer } from './postgres.ts';
import { withDatabase } from './test-server.ts';

export type OwnedDatabases = {
  /** A superuser's connection. */
  readonly admin: pg.Client;
  /** A user who may log in, with further rights such as CREATEROLE. */
  readonly addUser: (rights?: string) => Promise<string>;
  /** An empty database of a user's: its URL for the user. */
  readonly addDatabase: (user: string) => Promise<string>;
};

/** The same database for another user. */
export const as = (user: string, url: string): string => {
  const changed = new URL(url);
  changed.username = user;
  changed.password = 'x';
  return changed.href;
};

/** For the tests of a file: what is made in them is dropped after them. */
export const useOwnedDatabases = (): OwnedDatabases => {
  const databases: string[] = [];
  const users: string[] = [];
  let admin: pg.Client;
  beforeAll(async () => {
    admin = new pg.Client({ connectionString: (await testServer()).adminUrl, application_name: 'owners' });
    await admin.connect();
  });
  afterAll(async () => {
    for (const name of databases) await admin.query(`drop database if exists "${name}" with (force)`);
    for (const user of users)
      await admin.query(`drop role if exists "posthorn_tenant_${user}"; drop role if exists "${user}"`);
    await admin.end();
  });
  return {
    get admin() {
      return admin;
    },
    addUser: async (rights = '') => {
      const user = `user_${randomBytes(4).toString('hex')}`;
      users.push(user);
      await admin.query(`create role "${user}" login password 'x' ${rights}`);
      return user;
    },
    addDatabase: async (user) => {
      const { adminUrl, prefix } = await testServer();
      const name = `${prefix}_${randomBytes(4).toString('hex')}_owned`;
      databases.push(name);
      await admin.query(`create database "${name}" owner "${user}"`);
      return as(user, withDatabase(adminUrl, name));
    },
  };
};
