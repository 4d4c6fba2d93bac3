// A program that posts and ends, without waiting for anything.
import { createClient } from '../../src/client/index.ts';

const [url = '', token = '', count = '0'] = process.argv.slice(2);
const client = createClient({ url, token, queue: { lingerMs: 3_600_000 } });
for (let n = 0; n < Number(count); n++) client.enqueue('leaving', { eventType: 'a', payload: { n } });
