/** What the examples of the documentation speak of: one customer with one endpoint and one invoice. */
export const sample = {
  appId: 'app_2vYq0Zc4QjVhW8mXkT6sR1uNbPd',
  appUid: 'acme',
  endpointId: 'ep_2vYq2Hn7LsEeGz5pXbK9tUwJ3Ca',
  endpointUid: 'acme-billing',
  messageId: 'msg_2vYq4Dw1RkQx6NvFjM8yTgHcZ5s',
  eventId: 'invoice-1042-paid',
  orderingKey: 'invoice-1042',
  attemptId: 'atmpt_2vYq4Ft3BnUi9PzLhS7wKdEoX2q',
  taskId: 'qtask_2vYq6Jm5ArCe8YtVbG1xNsWpQ4u',
  eventType: 'invoice.paid',
  time: '2026-11-20T09:30:00.000000Z',
  later: '2026-11-20T09:35:00.000000Z',
  url: 'https://acme.example/webhooks',
  payload: { id: 1042, amount: '99.90', currency: 'EUR' },
} as const;
