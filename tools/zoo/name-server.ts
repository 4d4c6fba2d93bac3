import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** What is answered to a question for IPv4 (A) or IPv6 (AAAA). */
export type Answer =
  | { readonly kind: 'addresses'; readonly addresses: readonly string[]; readonly ttl?: number }
  | { readonly kind: 'no-such-name' }
  | { readonly kind: 'server-failure' }
  | { readonly kind: 'silence' };

/** A name server on this machine that says whatever it is told to, true or not. */
export type NameServer = {
  /** address:port */
  readonly address: string;
  /** For a name and all below it; called for each question, with its type. */
  readonly set: (name: string, answer: (family: 4 | 6, asked: string) => Answer) => void;
  /** Questions so far, for a name and all below it. */
  readonly asked: (name: string) => number;
  readonly close: () => Promise<void>;
};

const A = 1;
const AAAA = 28;
const RCODES = { addresses: 0, 'server-failure': 2, 'no-such-name': 3 } as const;

export const addresses = (...list: readonly string[]): Answer => ({
  kind: 'addresses',
  addresses: list,
  ttl: 0,
});

const bytesOf = (address: string): Buffer => {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail = ''] = address.split('::');
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((one) => parseInt(one, 16));
  const [before, after] = [groups(head), address.includes('::') ? groups(tail) : []];
  const all = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 255]));
};

/** RFC 1035, 4.1, as much of it as a resolver needs. */
const reply = (
  query: Buffer,
  questionEnd: number,
  type: number,
  answer: Exclude<Answer, { kind: 'silence' }>,
) => {
  const list = answer.kind === 'addresses' ? answer.addresses : [];
  const ttl = answer.kind === 'addresses' ? (answer.ttl ?? 60) : 0;
  const header = Buffer.from(query.subarray(0, 12));
  header.writeUInt16BE(0x8180 | RCODES[answer.kind], 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(list.length, 6);
  header.writeUInt16BE(0, 8);
  header.writeUInt16BE(0, 10);
  const records = list.map((address) => {
    const data = bytesOf(address);
    const record = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, data.length]);
    record.writeUInt32BE(ttl, 6);
    return Buffer.concat([record, data]);
  });
  return Buffer.concat([header, query.subarray(12, questionEnd), ...records]);
};

export const openNameServer = async (): Promise<NameServer> => {
  const answers = new Map<string, (family: 4 | 6, asked: string) => Answer>();
  const counts = new Map<string, number>();
  const socket = createSocket('udp4');
  /** The name itself, or the nearest above it that is set. */
  const setOf = (name: string): string | null => {
    for (let at = name; at !== ''; at = at.includes('.') ? at.slice(at.indexOf('.') + 1) : '')
      if (answers.has(at)) return at;
    return null;
  };
  socket.on('message', (query, peer) => {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] ?? 0; length > 0 && at < query.length; length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += length + 1;
    }
    const questionEnd = at + 5;
    if (query.length < questionEnd) return;
    const type = query.readUInt16BE(at + 1);
    const name = labels.join('.').toLowerCase();
    const known = setOf(name);
    if (known !== null) counts.set(known, (counts.get(known) ?? 0) + 1);
    const answer: Answer =
      known === null || (type !== A && type !== AAAA)
        ? { kind: 'no-such-name' }
        : answers.get(known)!(type === A ? 4 : 6, name);
    if (answer.kind !== 'silence')
      socket.send(reply(query, questionEnd, type, answer), peer.port, peer.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    address: `127.0.0.1:${socket.address().port}`,
    set: (name, answer) => void answers.set(name, answer),
    asked: (name) => counts.get(name) ?? 0,
    close: () => new Promise((resolve) => void socket.close(() => resolve())),
  };
};
