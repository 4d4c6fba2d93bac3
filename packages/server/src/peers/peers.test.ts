import { describe, expect, it } from 'vitest';
import { createPeers } from './peers.ts';

describe('the other nodes', () => {
  it('are not looked up any more once it is stopped, by no timer that is left either', async () => {
    const due: (() => void)[] = [];
    let looks = 0;
    const errors: unknown[] = [];
    let isOpen = true;
    const peers = createPeers({
      node: 'me',
      store: {
        meet: () => {
          looks++;
          return isOpen ? Promise.resolve([]) : Promise.reject(new Error('closed'));
        },
      },
      address: null,
      key: new Uint8Array(32),
      timers: { setTimeout: (run) => void due.push(run) },
      onTrouble: () => {},
      onError: (error) => void errors.push(error),
    });
    peers.start();
    await expect.poll(() => due.length).toBe(1);
    await peers.stop();
    isOpen = false;
    due[0]!();
    expect(looks).toBe(1);
    expect(errors).toEqual([]);
  });
});
