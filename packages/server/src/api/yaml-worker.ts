import { parentPort, workerData } from 'node:worker_threads';
import { parse } from 'yaml';

/** JSON of a document after its aliases were resolved, at most. */
const MAX_CHARACTERS = 8 * 1024 * 1024;

const read = (text: string): { readonly json: string } | { readonly why: string } => {
  try {
    const json = JSON.stringify(parse(text)) ?? 'null';
    return json.length > MAX_CHARACTERS ? { why: 'it is too large once its aliases are resolved' } : { json };
  } catch (error) {
    return { why: error instanceof Error ? error.message.split('\n')[0]! : 'it cannot be read' };
  }
};

parentPort?.postMessage(read(String(workerData)));
