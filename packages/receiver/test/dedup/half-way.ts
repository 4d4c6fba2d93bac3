// A receiver that dies half way: claims a key, begins, says so, and never ends by itself.
// Arguments: store, URL, key, lease in ms.
import { openStore, type StoreName } from './stores.ts';

const [name, url, key, leaseMs] = process.argv.slice(2) as [StoreName, string, string, string];
const { store } = await openStore(name, url);
const claim = await store.claim(key, { ttlMs: 3_600_000, leaseMs: Number(leaseMs), nowMs: Date.now() });
process.stdout.write(`${JSON.stringify(claim)}\n`);
setInterval(() => {}, 1_000);
