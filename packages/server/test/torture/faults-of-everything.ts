import type { Fault } from './fault.ts';
import { cutOff, kill, leave, standStill } from './faults-of-nodes.ts';
import { goAway } from './faults-of-postgres.ts';
import type { Node, World } from './world.ts';

const LONGEST_AWAY_MS = 4_000;

/** What may happen to three nodes, one after the other. */
const happenings: readonly ((world: World, node: Node) => Promise<void>)[] = [
  kill,
  standStill,
  (_, node) => leave(node),
  cutOff,
  async (world, node) => {
    // A second one goes while the first one is away.
    node.server().signal('SIGKILL');
    await world.scenario.died(node.server());
    await kill(world, world.nodes[(node.number + 1) % world.nodes.length]!);
    await node.start().ready;
  },
  (world) => goAway(world, 'immediate', world.random() * LONGEST_AWAY_MS),
  (world) => goAway(world, 'fast', world.random() * LONGEST_AWAY_MS),
];

export const faultsOfEverything: readonly Fault[] = [
  {
    name: 'everything',
    does: 'three nodes, and one of the above after the other, by chance',
    world: () => ({ nodes: 3 }),
    harm: async (world) => {
      let times = 0;
      do {
        await world.random.pause(1_500);
        const happening = happenings[Math.floor(world.random() * happenings.length)]!;
        await happening(world, world.anyNode());
        await Promise.all(world.nodes.map((node) => node.server().ready));
        await world.settled(world.nodes.length);
        times++;
      } while (world.goesOn());
      return `${times} faults`;
    },
  },
];
