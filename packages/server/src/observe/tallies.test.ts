import { Histogram, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { tally, tallyHistogram } from './tallies.ts';

const BOUNDS = [0.005, 0.1, 1, 10];

describe('a tally histogram', () => {
  it('shows what the library’s own shows', async () => {
    const ours = new Registry();
    const theirs = new Registry();
    const described = { name: 'lag_seconds', help: 'How late.' };
    const observe = tallyHistogram({ ...described, registers: [ours] }, BOUNDS);
    const histogram = new Histogram({ ...described, buckets: BOUNDS, registers: [theirs] });
    for (const value of [0, 0.005, 0.006, 0.1, 0.5, 1, 9.999, 10, 10.5, 3600]) {
      observe(value);
      histogram.observe(value);
    }
    expect(await ours.metrics()).toBe(await theirs.metrics());
    expect(await ours.metrics()).toContain('lag_seconds_bucket{le="0.1"} 4');
  });
  it('shows zeroes before anything was observed', async () => {
    const register = new Registry();
    tallyHistogram({ name: 'a', help: 'A.', registers: [register] }, [1]);
    expect(await register.metrics()).toContain('a_bucket{le="+Inf"} 0\na_sum 0\na_count 0');
  });
});

it('a tally shows its sums by label', async () => {
  const register = new Registry();
  const count = tally({ name: 'b', help: 'B.', registers: [register] }, 'result');
  count('good');
  count('bad');
  count('good');
  for (let asked = 0; asked < 2; asked++) {
    expect(await register.metrics()).toContain('b{result="good"} 2\nb{result="bad"} 1');
  }
});
