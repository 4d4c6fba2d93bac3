import { makeAuthority } from './authority.ts';
import { type Exhibit, opened, type Opened, type Place, ZONE } from './exhibit.ts';
import { connecting } from './exhibits/connecting.ts';
import { flooding } from './exhibits/flooding.ts';
import { habits } from './exhibits/answering.ts';
import { naming } from './exhibits/naming.ts';
import { speaking } from './exhibits/speaking.ts';
import { answering, ok, openHost } from './host.ts';
import { openNameServer } from './name-server.ts';

/** Every exhibit, by its kind. */
export const exhibits: readonly Exhibit[] = [
  ...connecting,
  ...naming,
  ...flooding,
  ...speaking,
  ...habits,
].toSorted((a, b) => a.kind - b.kind);

/** The kind that is no receiver: only the sender itself can show it. */
export const LOOP = {
  kind: 52,
  name: 'loop',
  does: 'is the sender’s own API: each delivery makes the next',
  expect: 'refused by the sender’s own mark, or bounded in depth',
} as const;

export type Zoo = {
  readonly place: Place;
  readonly opened: ReadonlyMap<string, Opened>;
  /** A receiver that is well, to see that it stays so. */
  readonly healthy: Opened;
  readonly close: () => Promise<void>;
};

/** Opens these exhibits, each on a port of its own on this machine. */
export const openZoo = async (wanted: readonly Exhibit[], tarpitMs: number): Promise<Zoo> => {
  const names = await openNameServer();
  const place: Place = { names, tarpitMs, authority: makeAuthority('The zoo', Date.now()) };
  const all = new Map<string, Opened>();
  for (const exhibit of wanted) all.set(exhibit.name, await exhibit.open(place));
  const host = await openHost(answering(ok));
  const healthy = opened(host, `http://127.0.0.1:${host.port}/webhooks`);
  return {
    place,
    opened: all,
    healthy,
    close: async () => {
      await Promise.all([...all.values(), healthy].map(({ close }) => close()));
      await names.close();
    },
  };
};

/** docs/zoo.md: every exhibit. */
export const zooMarkdown = (): string => {
  const rows = [...exhibits, LOOP].map(
    ({ kind, name, does, expect }) => `| ${kind} | \`${name}\` | ${does} | ${expect} |`,
  );
  return `# Hostile receivers

Fifty-two ways in which a receiver, its network or its owner can hurt who sends webhooks, as servers to try a
sender on. The zoo is a program of its own: it needs Node 22.18 or later, nothing of Posthorn, and any sender will do.

\`\`\`sh
node tools/zoo/main.ts --list
node tools/zoo/main.ts --only endless-body,gzip-bomb
\`\`\`

It prints the URL of each exhibit, where its name server listens (\`*.${ZONE}\`; the cases of names need a sender that
asks it), and writes the certificate of its authority, made on the spot, to a file that the sender has to trust. Keep
it on your own machine.

Every row is a test of Posthorn (\`packages/server/test/zoo\`): the verdict, the time and the memory of each, with a
healthy receiver beside it that must not notice, no socket left behind and no unhandled rejection; 500 endless bodies
at once.

| kind | name | what it does | what a good sender makes of it |
|---|---|---|---|
${rows.join('\n')}
`;
};
