import type { World } from './world.ts';

/** A node that has taken all partitions. */
export const started = async (world: World, options: Parameters<World['node']>[0] = {}) => {
  const node = world.node(options);
  const start = node.start();
  await world.timers.until(() => node.numbers().partitions === 256, 5_000);
  await start;
  return node;
};

/** A node that has come to others and got what was free for it. */
export const joined = async (world: World, options: Parameters<World['node']>[0] = {}) => {
  const node = world.node(options);
  await firstOf(world, node.start());
  return node;
};

/** Lets the first message make the lane known, so that later ones go through memory. */
export const warm = async (world: World, node: Awaited<ReturnType<typeof started>>, name: string) => {
  const endpoint = world.endpoint(name);
  const first = world.accept(node, endpoint);
  await world.timers.until(() => world.tiny.rows.size === 0 && world.tiny.ends.size > 0, 5_000);
  await first;
  await world.timers.advance(100);
  return endpoint;
};

/** Lets time pass until the acceptance is answered. */
export const firstOf = async <T>(world: World, accepted: Promise<T>): Promise<T> => {
  let isDone = false;
  void accepted.then(() => {
    isDone = true;
  });
  await world.timers.until(() => isDone, 5_000);
  return accepted;
};
