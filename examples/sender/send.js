import { Svix } from 'svix';

const { POSTHORN_TOKEN = '', POSTHORN_URL = 'http://127.0.0.1:8071' } = process.env;

const posthorn = new Svix(POSTHORN_TOKEN, { serverUrl: POSTHORN_URL });
await posthorn.application.getOrCreate({ name: 'A customer', uid: 'customer-1' });
const message = await posthorn.message.create('customer-1', {
  eventType: 'invoice.paid',
  payload: { invoice: 42 },
});

console.log('sent', message.id);
