import type { Plan, PlanEvent } from './plan.ts';

const MAX_RUNS = 250;

/**
 * Leaves out of a plan whatever it fails without: events in ever smaller groups, then endpoints, nodes
 * and the end of the storm.
 *
 * @param fails Whether the plan still breaks the rule.
 */
export const shrink = async (
  plan: Plan,
  fails: (plan: Plan) => Promise<boolean>,
): Promise<{ readonly plan: Plan; readonly runs: number }> => {
  let smallest = plan;
  let runs = 0;
  const attempt = async (smaller: Plan): Promise<boolean> => {
    if (runs >= MAX_RUNS) return false;
    runs++;
    if (!(await fails(smaller))) return false;
    smallest = smaller;
    return true;
  };

  const withoutEvents = async (): Promise<void> => {
    for (
      let size = Math.ceil(smallest.events.length / 2);
      size >= 1;
      size = size === 1 ? 0 : Math.ceil(size / 2)
    ) {
      for (let from = 0; from < smallest.events.length;) {
        const events: PlanEvent[] = smallest.events.filter(
          (_, index) => index < from || index >= from + size,
        );
        if (!(await attempt({ ...smallest, events }))) from += size;
      }
    }
  };

  await withoutEvents();
  for (const [index, endpoint] of plan.endpoints.entries()) {
    if (endpoint.isLate) continue;
    const endpoints = smallest.endpoints.map((one, at) => (at === index ? { ...one, isLate: true } : one));
    const events = smallest.events.filter((event) => !('endpoint' in event) || event.endpoint !== index);
    await attempt({ ...smallest, endpoints, events });
  }
  while (smallest.nodes > 1 && (await attempt({ ...smallest, nodes: smallest.nodes - 1 })));
  const lastMs = Math.max(500, ...smallest.events.map(({ atMs }) => atMs + 100));
  if (lastMs < smallest.stormMs) await attempt({ ...smallest, stormMs: lastMs });
  await withoutEvents();
  return { plan: smallest, runs };
};
