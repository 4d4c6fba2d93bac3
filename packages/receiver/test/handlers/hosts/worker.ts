import { webhooks } from '../../../src/handlers/workers.ts';
import { app } from '../app.ts';

export default { fetch: webhooks((_env: unknown) => app()) };
