import type { BenchNode, Place } from '../shared/place.ts';

/** Posts at a low rate to the application whose endpoint is away again and again. */
export interface Trouble {
  readonly accepted: () => number;
  /** Posts no more; resolves when each has its answer. Idempotent. */
  readonly stop: () => Promise<void>;
}

const NUMBER_DIGITS = 10;

export function startTrouble(plan: {
  readonly place: Place;
  readonly node: BenchNode;
  readonly applicationId: string;
  /** Messages a second. */
  readonly rate: number;
}): Trouble {
  const { place, node, applicationId, rate } = plan;
  let next = 0;
  let accepted = 0;
  const underWay = new Set<Promise<void>>();
  const post = async (): Promise<void> => {
    const seq = String(next++).padStart(NUMBER_DIGITS, '0');
    // The number comes first, as in the load.
    await place.call(node, `/app/${applicationId}/msg`, { eventType: 'invoice.paid', payload: { seq } });
    accepted++;
  };
  const timer = setInterval(() => {
    const posting: Promise<void> = post()
      // A message that is refused is not acknowledged: nothing is owed.
      .catch(() => undefined)
      .finally(() => underWay.delete(posting));
    underWay.add(posting);
  }, 1000 / rate);
  return {
    accepted: () => accepted,
    stop: async () => {
      clearInterval(timer);
      await Promise.all(underWay);
    },
  };
}
