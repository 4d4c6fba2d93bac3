import { nowMs } from './changes.ts';
import type { PlantedBug } from './planted.ts';
import type { Scenario } from './scenario.ts';
import { freePort } from '../ports.ts';

const load = { count: 8, pauseMs: 20 };

/**
 * A process stands still for longer than its lease with requests in flight; their answers wait in its sockets.
 * Another one takes over and has the same deliveries in flight when the first goes on and wants to settle them.
 */
export const runZombie = async (scenario: Scenario, plant?: PlantedBug): Promise<void> => {
  const { oracle } = scenario;
  const first = scenario.start(plant === undefined ? {} : { plant });
  await first.ready;
  await scenario.setUp();
  const posted = scenario.produce(load);
  await posted.until('some work', () => posted.acknowledgedAt().length > 30);
  oracle.hold();
  await oracle.until('requests in flight', () => oracle.inFlight() >= 20);
  const fromMs = nowMs();
  first.signal('SIGSTOP');
  // Failures, so that the first one wants to put the deliveries back, under the feet of the second.
  oracle.release(500);
  oracle.hold();
  const second = scenario.start({ port: await freePort() });
  await second.ready;
  await second.until('the takeover', () => second.told().some(({ event }) => event === 'takeOver'));
  await oracle.until('the same in flight again', () => oracle.inFlight() >= 20);
  // What was in flight then has an excuse; what the second one sends has none.
  scenario.fault({ kind: 'stopped', sender: first.pid, fromMs, toMs: nowMs() });
  first.signal('SIGCONT');
  const known = posted.acknowledgedAt().length;
  const hasSettled = (): boolean => first.told().some(({ event }) => event === 'lost' || event === 'stolen');
  await first.until('its settles', hasSettled);
  await posted.until('work on the first again', () => posted.acknowledgedAt().length > known + 30);
  oracle.release();
};
