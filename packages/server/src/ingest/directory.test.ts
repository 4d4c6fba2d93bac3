import { describe, expect, it } from 'vitest';
import type { ApplicationConfig } from '../domain/configuration.ts';
import { createDirectory } from './directory.ts';

const application = (configVersion: number, id = 'app_1'): ApplicationConfig => ({
  id,
  uid: null,
  orgId: 'org_1',
  configVersion,
  endpoints: [],
});

/** A store whose reads the test answers by hand. */
const byHand = () => {
  const reads: {
    name: string;
    answer: (value: ApplicationConfig | null) => void;
    fail: (error: Error) => void;
  }[] = [];
  return {
    reads,
    store: {
      loadApplication: (orgId: string, idOrUid: string) =>
        new Promise<ApplicationConfig | null>((answer, fail) =>
          reads.push({ name: `${orgId}/${idOrUid}`, answer, fail }),
        ),
    },
  };
};

describe('createDirectory', () => {
  it('reads once for many who ask at once, and then not again', async () => {
    const { reads, store } = byHand();
    const directory = createDirectory(store);
    const asked = [directory.find('org_1', 'app_1'), directory.find('org_1', 'app_1')];
    expect(reads).toHaveLength(1);
    reads[0]!.answer(application(1));
    expect(await Promise.all(asked)).toEqual([application(1), application(1)]);
    await directory.find('org_1', 'app_1');
    expect(reads).toHaveLength(1);
    expect(directory.peek('org_1', 'app_1')).toEqual(application(1));
  });

  it('keeps organisations apart', () => {
    const { reads, store } = byHand();
    const directory = createDirectory(store);
    void directory.find('org_1', 'x');
    void directory.find('org_2', 'x');
    expect(reads.map((read) => read.name)).toEqual(['org_1/x', 'org_2/x']);
  });

  it('remembers neither what is not there nor what could not be read', async () => {
    const { reads, store } = byHand();
    const directory = createDirectory(store);
    const missing = directory.find('org_1', 'a');
    reads[0]!.answer(null);
    expect(await missing).toBeNull();
    const failed = directory.find('org_1', 'a');
    reads[1]!.fail(new Error('away'));
    await expect(failed).rejects.toThrow('away');
    void directory.find('org_1', 'a');
    expect(reads).toHaveLength(3);
  });

  it('refreshes only what the asker saw', async () => {
    const { reads, store } = byHand();
    const directory = createDirectory(store);
    const first = directory.find('org_1', 'a');
    reads[0]!.answer(application(1));
    const old = (await first)!;
    const refreshed = directory.refresh('org_1', 'a', old);
    reads[1]!.answer(application(2));
    await refreshed;
    expect(await directory.refresh('org_1', 'a', old)).toEqual(application(2));
    expect(reads).toHaveLength(2);
  });

  it('does not keep an answer that was on its way when a change came', async () => {
    const { reads, store } = byHand();
    const directory = createDirectory(store);
    const before = directory.find('org_1', 'a');
    directory.forget('app_1');
    reads[0]!.answer(application(1));
    await before;
    expect(directory.peek('org_1', 'a')).toBeUndefined();
  });

  it('stays within its capacity', async () => {
    const { reads, store } = byHand();
    const directory = createDirectory(store, 2);
    for (const name of ['a', 'b', 'c']) {
      const found = directory.find('org_1', name);
      reads.at(-1)!.answer(application(1, name));
      await found;
    }
    expect(['a', 'b', 'c'].map((name) => directory.peek('org_1', name)?.id)).toEqual([undefined, 'b', 'c']);
  });
});
