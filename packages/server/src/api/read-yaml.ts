import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { createFairTurns } from './fair-turns.ts';

/** A document as JSON text, or why it is none (completes "The document cannot be read: …"). */
export type YamlReading =
  | { readonly kind: 'json'; readonly json: string }
  | { readonly kind: 'bad'; readonly why: string }
  /** Too many documents wait to be read. */
  | { readonly kind: 'busy' };

const DEADLINE_MS = 20_000;
const MEMORY_MB = 256;
const WAITING = { ofOne: 2, inAll: 20 };

type Reply = { readonly json: string } | { readonly why: string };

// Beside this file, as source or as built.
const WORKER = new URL(`./yaml-worker${extname(import.meta.url)}`, import.meta.url);

const bad = (why: string): YamlReading => ({ kind: 'bad', why });

const readNow = (text: string): Promise<YamlReading> =>
  new Promise((resolve) => {
    const worker = new Worker(WORKER, {
      workerData: text,
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
    });
    const end = (reading: YamlReading): void => {
      clearTimeout(timer);
      void worker.terminate();
      resolve(reading);
    };
    const timer = setTimeout(() => end(bad('it takes too long; send it as JSON')), DEADLINE_MS);
    worker.once('message', (reply: Reply) =>
      end('json' in reply ? { kind: 'json', json: reply.json } : bad(reply.why)),
    );
    worker.once('error', () => end(bad('it takes too much memory; send it as JSON')));
  });

const turns = createFairTurns(WAITING);

/**
 * Reads YAML in a thread of its own, one document at a time: a large one takes seconds, in which nothing
 * else would be answered. Organisations take turns. Bounded in time, memory and what waits; never rejects.
 */
export const readYaml = (orgId: string, text: string): Promise<YamlReading> =>
  turns.take(orgId, () => readNow(text)) ?? Promise.resolve({ kind: 'busy' });
