import type { DedupStore } from '../contract.ts';
import { storedKey } from './stored-key.ts';

/** A client of ioredis, one of node-redis, or a function that sends one command. */
export type RedisClient =
  | { readonly call: (command: string, ...args: string[]) => Promise<unknown> }
  | { readonly sendCommand: (args: string[]) => Promise<unknown> }
  | ((args: string[]) => Promise<unknown>);

export type RedisOptions = {
  /** Before every key. @default 'posthorn:dedup:' */
  readonly prefix?: string;
};

// A key holds the token of who handles it and lives for the lease; handled, it begins with `=` and
// lives for the whole time: so Redis itself forgets both, by its own clock. A client that sends a
// command again after a reconnect gets the same answer.
const CLAIM = `
local held = redis.call('get', KEYS[1])
if not held then redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2]) return 'first' end
if held == ARGV[1] then return 'first' end
if string.sub(held, 1, 1) == '=' then return 'done' end
return redis.call('pttl', KEYS[1])`;

// An absent key: nobody has taken over, or whoever did has given up.
const DONE = `
local held = redis.call('get', KEYS[1])
if held and held ~= ARGV[1] and held ~= '=' .. ARGV[1] then return 'lost' end
redis.call('set', KEYS[1], '=' .. ARGV[1], 'PX', ARGV[2])
return 'kept'`;

const FORGET = `if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end`;

/**
 * Remembers in Redis (or Valkey), each step one atomic script on one key, so a cluster will do. Time
 * is the server's; `nowMs` is not used. What Redis has lost (eviction, a failover without the last
 * writes) is handled again: use `noeviction`, or Postgres where twice is not an option.
 */
export const redisDedup = (
  client: RedisClient,
  { prefix = 'posthorn:dedup:' }: RedisOptions = {},
): DedupStore => {
  const send = commandOf(client);
  const run = async (script: string, key: string, ...args: string[]): Promise<unknown> =>
    send(['EVAL', script, '1', prefix + (await storedKey(key)), ...args]);
  return {
    claim: async (key, { ttlMs, leaseMs }) => {
      // The time to keep it travels in the token, because only `done` needs it.
      const token = `${crypto.randomUUID()}.${Math.ceil(Math.max(ttlMs, leaseMs, 1))}`;
      const answer = await run(CLAIM, key, token, String(Math.max(1, Math.ceil(leaseMs))));
      if (answer === 'first') return { kind: 'first', token };
      if (answer === 'done') return { kind: 'done' };
      return { kind: 'busy', retryAfterMs: Math.max(1, Number(answer)) };
    },
    done: async (key, token) => {
      const ttlMs = token.slice(token.indexOf('.') + 1);
      return (await run(DONE, key, token, ttlMs)) === 'lost' ? 'lost' : 'kept';
    },
    forget: async (key, token) => {
      await run(FORGET, key, token);
    },
  };
};

const commandOf = (client: RedisClient): ((args: string[]) => Promise<unknown>) => {
  if (typeof client === 'function') return client;
  if ('call' in client) return ([command = '', ...args]) => client.call(command, ...args);
  return (args) => client.sendCommand(args);
};
