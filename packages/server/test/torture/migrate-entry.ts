// Migrates a database as a starting process does, in a process that can be killed: FOLDER URL.
import { migrate } from '../../src/store/migrate.ts';

const [folder = '', url = ''] = process.argv.slice(2);
const result = await migrate({ url, folder, log: (line) => void process.stdout.write(`${line}\n`) });
process.stdout.write(`${JSON.stringify(result)}\n`);
