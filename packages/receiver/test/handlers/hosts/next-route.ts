import { webhooks } from '../../../src/handlers/next.ts';
import { app } from '../app.ts';

export const { GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS } = webhooks(app());
