import { http } from '@google-cloud/functions-framework';
import { webhooks } from '../../../src/handlers/cloud-functions.ts';
import { app } from '../app.ts';

http('webhooks', webhooks(app()));
