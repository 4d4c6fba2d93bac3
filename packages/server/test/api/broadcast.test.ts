import { describe, expect, it } from 'vitest';
import { addApplication, addMessage } from './fixtures.ts';
import { useApi } from './harness.ts';

const harness = useApi();
const { call } = harness;

describe('broadcast', () => {
  it.each<[string, unknown, string[]]>([
    ['no type', { payload: {} }, ['body', 'eventType']],
    ['a type of another alphabet', { eventType: 'a b', payload: {} }, ['body', 'eventType', '__all__']],
    ['no payload', { eventType: 'a' }, ['body', 'payload']],
    ['a payload that is no object', { eventType: 'a', payload: [] }, ['body', 'payload']],
    [
      'an event id like an id',
      { eventType: 'a', payload: {}, eventId: 'msg_1' },
      ['body', 'eventId', '__all__'],
    ],
    ['no channels', { eventType: 'a', payload: {}, channels: [] }, ['body', 'channels']],
    [
      'too long a retention',
      { eventType: 'a', payload: {}, payloadRetentionPeriod: 91 },
      ['body', 'payloadRetentionPeriod'],
    ],
  ])('refuses %s, and writes nothing', async (_what, body, loc) => {
    const reply = await call('POST', '/msg/broadcast', { body });
    expect([reply.status, reply.body['detail'][0].loc]).toEqual([422, loc]);
    expect((await call('GET', '/background-task')).body.data).toEqual([]);
  });

  it('finds what it had posted, however long it stood still, and skips who takes none', async () => {
    const { org, token } = await harness.newOrg();
    const apps: string[] = [];
    for (let n = 0; n < 4; n++) apps.push(await addApplication(harness, undefined, token));
    const { body: task } = await call('POST', '/msg/broadcast', {
      token,
      body: { eventType: 'a', payload: {} },
    });
    const message = await addMessage(harness, apps[1]!, { org });
    await harness.pool.query(
      `update message set idem_scope = $2, idem_key = app_id, idem_hash = 'h' where id = $1`,
      [message, `broadcast ${task.id}`],
    );
    const asked: string[] = [];
    await harness.runTasks(2, async (_task, applicationId) => {
      asked.push(applicationId);
      return applicationId === apps[2] ? null : `msg_for_${applicationId}`;
    });
    expect(asked.toSorted()).toEqual([apps[0], apps[2], apps[3]]);
    expect((await call('GET', `/background-task/${task.id}`, { token })).body).toMatchObject({
      status: 'finished',
      data: {
        messagesCreated: [
          { appId: apps[0], msgId: `msg_for_${apps[0]!}` },
          { appId: apps[1], msgId: message },
          { appId: apps[3], msgId: `msg_for_${apps[3]!}` },
        ],
        started: 3,
        skipped: 1,
      },
    });
  });

  it('tries a chunk again that could not be posted', async () => {
    const { token } = await harness.newOrg();
    const app = await addApplication(harness, undefined, token);
    const { body: task } = await call('POST', '/msg/broadcast', {
      token,
      body: { eventType: 'a', payload: {} },
    });
    await expect(harness.runTasks(2, () => Promise.reject(new Error('away')))).rejects.toThrow('away');
    expect((await call('GET', `/background-task/${task.id}`, { token })).body['status']).toBe('running');
    await harness.runTasks(2, async () => 'msg_there');
    const { data } = (await call('GET', `/background-task/${task.id}`, { token })).body;
    expect(data.messagesCreated).toEqual([{ appId: app, msgId: 'msg_there' }]);
  });
});
