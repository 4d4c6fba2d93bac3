import { expect, it } from 'vitest';
import { createDevLog } from './dev-log.ts';

it('says on standard error what happened, as people read it', () => {
  const said: string[] = [];
  const log = createDevLog('info', {
    out: (text) => said.push(`out ${text}`),
    err: (text) => said.push(text),
  });
  log.debug('not said');
  log.info('ready');
  log.warn({ error: 'why', chore: 3 }, 'a chore failed');
  log.error({ detail: { a: 1 } }, 'broken');
  log.level = 'silent';
  log.error('not said');
  expect(said).toEqual([
    '  ready\n',
    '  warning: a chore failed (error why, chore 3)\n',
    '  error: broken (detail {"a":1})\n',
  ]);
});
