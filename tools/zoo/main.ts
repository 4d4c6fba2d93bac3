// The zoo of hostile receivers, for whoever builds a sender of webhooks: docs/zoo.md.
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ZONE } from './exhibit.ts';
import { exhibits, LOOP, openZoo } from './zoo.ts';

const HELP = `node tools/zoo/main.ts [--list] [--only NAME,…] [--tarpit MS] [--json]

  --list      what there is, and what a good sender makes of it
  --only      these only
  --tarpit    how long the tarpit takes; a little less than the sender's deadline. Default: 14500
  --json      one object with all URLs, and nothing else
`;

const fail = (why: string): never => {
  process.stderr.write(`zoo: ${why}\n${HELP}`);
  process.exit(2);
};

const readFlags = () => {
  try {
    return parseArgs({
      options: {
        list: { type: 'boolean', default: false },
        only: { type: 'string' },
        tarpit: { type: 'string', default: '14500' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    return fail((error as Error).message);
  }
};

const flags = readFlags();
if (flags.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const names = flags.only?.split(',').map((name) => name.trim());
const unknown = names?.find((name) => !exhibits.some((exhibit) => exhibit.name === name));
if (unknown !== undefined) fail(`there is no ${unknown}; --list has all names`);
const wanted = exhibits.filter(({ name }) => names?.includes(name) ?? true);
const tarpitMs = Number(flags.tarpit);
if (!(tarpitMs >= 0 && tarpitMs < 3_600_000)) fail(`--tarpit takes milliseconds, not ${flags.tarpit}`);

if (flags.list) {
  for (const { kind, name, does, expect } of names === undefined ? [...wanted, LOOP] : wanted)
    process.stdout.write(
      `${String(kind).padStart(2)}  ${name.padEnd(24)} ${does}\n${' '.repeat(29)}→ ${expect}\n`,
    );
  process.exit(0);
}

const zoo = await openZoo(wanted, tarpitMs);
const certificate = join(await mkdtemp(join(tmpdir(), 'zoo-')), 'authority.pem');
await writeFile(certificate, zoo.place.authority.certificate);
const urls = Object.fromEntries([...zoo.opened].map(([name, { url }]) => [name, url]));
const facts = {
  urls,
  healthy: zoo.healthy.url,
  nameServer: zoo.place.names.address,
  zone: ZONE,
  certificate,
};
process.stdout.write(
  flags.json
    ? `${JSON.stringify(facts)}\n`
    : [
        ...wanted.map(({ kind, name }) => `${String(kind).padStart(2)}  ${name.padEnd(24)} ${urls[name]!}`),
        '',
        `    healthy                  ${facts.healthy}`,
        `    names of ${ZONE}     ask ${facts.nameServer}`,
        `    certificates             trust ${certificate}`,
        '',
        'Ctrl-C closes it.\n',
      ].join('\n'),
);
// What a sender does to the zoo must not take the zoo down.
process.on('uncaughtException', (error) => process.stderr.write(`zoo: ${error.stack ?? error.message}\n`));
const leave = (): void => void zoo.close().then(() => process.exit(0));
process.once('SIGINT', leave).once('SIGTERM', leave);
