import { webhooks } from '../../../src/handlers/lambda.ts';
import { app } from '../app.ts';

export const handler = webhooks(app());
