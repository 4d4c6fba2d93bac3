import { parentPort, workerData } from 'node:worker_threads';
import { parse } from 'yaml';
import { yamlProblem } from './yaml-problem.ts';

/** JSON of a document after its aliases were resolved, at most. */
const MAX_CHARACTERS = 8 * 1024 * 1024;

const read = (text: string): { readonly json: string } | { readonly why: string } => {
  try {
    // Its warnings would go to this process's output, in the words of the document.
    const json = JSON.stringify(parse(text, { logLevel: 'error' })) ?? 'null';
    return json.length > MAX_CHARACTERS ? { why: 'it is too large once its aliases are resolved' } : { json };
  } catch (error) {
    return { why: yamlProblem(error) };
  }
};

parentPort?.postMessage(read(String(workerData)));
