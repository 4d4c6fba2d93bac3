import { describe, expect, it } from 'vitest';
import { withScenario } from './with-scenario.ts';
import { runZombie } from './zombie.ts';

describe('a process that stood still for longer than its lease', () => {
  it('changes nothing that another one has taken over', { timeout: 120_000 }, async () => {
    await withScenario('zombie', async (scenario) => {
      await runZombie(scenario);
      const verdict = await scenario.conclude();
      expect(verdict.problems).toBe('');
      expect(verdict.unknowns).toBeGreaterThanOrEqual(10);
    });
  });
});
