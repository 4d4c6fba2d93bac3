import { describe, expect, it } from 'vitest';
import { callKeys, openCall, readNews, signCall, writeNews } from './call.ts';

const keys = callKeys(['the main secret of this deployment', 'the one before it, still known']);
const ids = ['ep_1', 'app_2', 'ep_3'];

describe('a call between nodes', () => {
  it('is heard by the node that is meant, in any order of the secrets', () => {
    expect(openCall(keys, 'me', signCall(keys[0]!, 'me', ids))).toEqual(ids);
    expect(openCall(keys, 'me', signCall(keys[1]!, 'me', ids))).toEqual(ids);
    expect(openCall(keys, 'me', signCall(keys[0]!, 'me', []))).toEqual([]);
  });

  it.each<[what: string, call: ReturnType<typeof signCall>]>([
    ['for another node', signCall(keys[0]!, 'you', ids)],
    ['by another secret', signCall(callKeys(['somebody else'])[0]!, 'me', ids)],
    ['that was changed on its way', { ...signCall(keys[0]!, 'me', ids), body: 'ep_4' }],
    ['without a code', { body: 'ep_1', mac: '' }],
  ])('%s is not', (_, call) => {
    expect(openCall(keys, 'me', call)).toBeNull();
  });
});

describe('the news of an endpoint', () => {
  it.each([undefined, 0, 1, 2, '', 'a', '1', 'with blanks in it', ' leading', 'ümlaut / 42'] as const)(
    'of the line %j is read as it was written',
    (line) => {
      expect(readNews(writeNews('ep_1', line))).toEqual({ id: 'ep_1', line });
    },
  );

  it('of a class that nobody knows is that of any', () => {
    expect(readNews('ep_1\t7')).toEqual({ id: 'ep_1' });
  });

  it('without one is the id alone, as that of an application', () => {
    expect(writeNews('ep_1')).toBe('ep_1');
    expect(readNews('app_1').id).toBe('app_1');
  });
});
