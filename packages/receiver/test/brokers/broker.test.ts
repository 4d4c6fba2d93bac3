import { expect, it, vi } from 'vitest';
import { broker } from './broker.ts';

const warned = vi.spyOn(console, 'warn').mockImplementation(() => {});
const missing = (): Promise<never> => Promise.reject(new Error('not for this machine'));

vi.stubEnv('CI', '');
const here = await broker('Nothing', missing);
const said = warned.mock.calls.flat().join();
vi.stubEnv('CI', 'true');
const inCi: unknown = await broker('Nothing', missing).catch((error: unknown) => error);
vi.unstubAllEnvs();

it('skips, and says so, what a machine cannot have', () => {
  expect(here).toBeNull();
  expect(said).toMatch(/^SKIPPED: .* Nothing, .*not for this machine/);
});

it('skips nothing in CI', () => {
  expect(String(inCi)).toMatch(/Nothing could not be started: .*not for this machine/);
});
