import { describe, expect, it } from 'vitest';
import { endpointOf } from '../../test/dispatch/world.ts';
import type { Priority } from '../domain/delivery.ts';
import { APPLICATION_FACTOR, createGrant, type Grant } from './grant.ts';
import { createLane, type Lane, type Tenure } from './lane.ts';
import type { HeldDelivery } from './port.ts';
import { noteEnd, noteStart, type Standing } from './standing.ts';

const tenure: Tenure = {
  partition: 0,
  epoch: 1,
  gainedAtMs: 0,
  abort: new AbortController(),
  isLive: true,
  isLeaving: false,
  maySend: () => true,
};
const KIB = 1024;
let messages = 0;

const laneOf = (
  name: string,
  applicationId: string,
  outcome: 'succeeded' | 'failed' | null = 'succeeded',
): Lane => {
  const lane = createLane(`ep_${name}`, 0, tenure);
  lane.endpoint = endpointOf(name, { applicationId });
  lane.applicationId = applicationId;
  if (outcome !== null) noteEnd(lane.record, outcome, 0);
  return lane;
};

const fill = (lane: Lane, count: number, priority: Priority = 1, bytes = 10): Lane => {
  for (let n = 0; n < count; n++) {
    const payload = new Uint8Array(bytes);
    lane.window.push({ messageId: `msg_${messages++}`, priority, payload } as HeldDelivery);
  }
  return lane;
};

type Started = {
  readonly lane: Lane;
  readonly standing: Standing;
  readonly priority: Priority;
  readonly bytes: number;
};

/** Starts what may start; `isProving`: each start is answered at once as far as the lane's standing goes. */
const startAll = (grant: Grant, most = Infinity, isProving = true): Started[] => {
  const started: Started[] = [];
  for (let turn = grant.peek(0); turn !== undefined && started.length < most; turn = grant.peek(0)) {
    const { lane, from, standing } = turn;
    const head = lane.window.shift(from)!;
    noteStart(lane.record);
    grant.take(head.payload.byteLength);
    if (isProving && lane.record.succeededAtMs === 0) noteEnd(lane.record, 'succeeded', 0);
    grant.lineUp(lane, 0);
    started.push({ lane, standing, priority: head.priority, bytes: head.payload.byteLength });
  }
  return started;
};
const end = (grant: Grant, { lane, standing, bytes }: Started): void =>
  grant.give(lane.applicationId, standing, bytes);
const lineUp = (grant: Grant, ...lanes: Lane[]): void => lanes.forEach((lane) => grant.lineUp(lane, 0));
const count = (started: readonly Started[], applicationId: string): number =>
  started.filter(({ lane }) => lane.applicationId === applicationId).length;

describe('the grant of a node', () => {
  it('goes around the applications, however many lanes one has, and around its lanes', () => {
    const grant = createGrant(1_000, 1e9);
    const flood = Array.from({ length: 20 }, (_, n) => fill(laneOf(`f${n}`, 'app_flood'), 100));
    const quiet = fill(laneOf('q', 'app_quiet'), 5);
    lineUp(grant, ...flood, quiet);
    const started = startAll(grant, 30);
    expect(started.slice(0, 10).filter(({ lane }) => lane === quiet)).toHaveLength(5);
    expect(new Set(started.map(({ lane }) => lane)).size).toBe(21);
  });

  it('counts large payloads as several turns', () => {
    const grant = createGrant(1_000, 1e9);
    lineUp(grant, fill(laneOf('l', 'app_large'), 100, 1, 64 * KIB), fill(laneOf('s', 'app_small'), 100));
    const started = startAll(grant, 60);
    expect(count(started, 'app_large')).toBe(10);
    expect(count(started, 'app_small')).toBe(50);
  });

  it('leaves room for others beside any number of applications that take all they get', () => {
    const grant = createGrant(100, 1e9);
    for (let n = 0; n < 10; n++) lineUp(grant, fill(laneOf(`f${n}`, `app_${n}`), 1_000));
    const started = startAll(grant);
    expect(grant.inFlight()).toBe(started.length);
    expect(grant.inFlight()).toBeLessThan(100);
    expect(grant.inFlight()).toBeGreaterThan(90);
    lineUp(grant, fill(laneOf('late', 'app_late'), 1));
    expect(count(startAll(grant), 'app_late')).toBe(1);
  });

  it('gives one application alone all but a ninth', () => {
    const grant = createGrant(90, 1e9);
    lineUp(grant, fill(laneOf('a', 'app_a'), 1_000));
    expect(startAll(grant)).toHaveLength((90 * APPLICATION_FACTOR) / (APPLICATION_FACTOR + 1));
  });

  it('goes on with who had to wait for his share once something has ended', () => {
    const grant = createGrant(9, 1e9);
    lineUp(grant, fill(laneOf('a', 'app_a'), 1_000));
    const started = startAll(grant);
    expect(startAll(grant)).toEqual([]);
    end(grant, started[0]!);
    expect(startAll(grant)).toHaveLength(1);
  });

  it('keeps half of the sockets for endpoints that answer, whatever hangs', () => {
    const grant = createGrant(100, 1e9);
    for (let n = 0; n < 200; n++) lineUp(grant, fill(laneOf(`new${n}`, `app_${n}`, null), 10));
    for (let n = 0; n < 200; n++) lineUp(grant, fill(laneOf(`hung${n}`, `app_h${n}`, 'failed'), 10));
    const started = startAll(grant);
    expect(started).toHaveLength(50);
    expect(started.filter(({ lane }) => lane.record.hasFailed).length).toBeLessThanOrEqual(25);
    for (let n = 0; n < 50; n++) lineUp(grant, fill(laneOf(`well${n}`, `app_w${n}`), 1));
    expect(startAll(grant)).toHaveLength(50);
  });

  it('takes no more of that half by an endpoint that stops to answer than it was trusted with', () => {
    const grant = createGrant(100, 1e9);
    for (let n = 0; n < 10; n++) lineUp(grant, fill(laneOf(`stops${n}`, `app_${n}`), 100));
    const started = startAll(grant, Infinity, false);
    expect(started).toHaveLength(20 + 50);
  });

  it('finds a lane again that lines up once more when it has moved to another standing meanwhile', () => {
    const grant = createGrant(4, 1e9);
    const hung = fill(laneOf('hung', 'app_a', 'failed'), 10);
    lineUp(grant, hung);
    expect(startAll(grant)).toHaveLength(1);
    noteEnd(hung.record, 'succeeded', 0);
    expect(startAll(grant)).toEqual([]);
    grant.lineUp(hung, 0);
    expect(startAll(grant)).not.toEqual([]);
  });

  it('gives bulk one in twenty and no less while critical and normal flood, over all lanes', () => {
    const grant = createGrant(100_000, 1e9);
    for (let n = 0; n < 50; n++) lineUp(grant, fill(laneOf(`c${n}`, `app_c${n}`), 100, 0));
    for (let n = 0; n < 50; n++) lineUp(grant, fill(laneOf(`n${n}`, `app_n${n}`), 100, 1));
    lineUp(grant, fill(laneOf('b', 'app_b'), 100, 2), fill(fill(laneOf('both', 'app_m'), 100, 0), 100, 2));
    const started = startAll(grant, 400);
    const of = (priority: Priority): number => started.filter((one) => one.priority === priority).length;
    expect(of(2)).toBeGreaterThanOrEqual(20);
    expect(of(1)).toBeGreaterThanOrEqual(60);
    expect(of(0)).toBeGreaterThan(300);
  });

  it('starts a critical one before everything that waits, also of another lane', () => {
    const grant = createGrant(1_000, 1e9);
    for (let n = 0; n < 100; n++) lineUp(grant, fill(laneOf(`b${n}`, `app_${n}`), 100, 2));
    const urgent = laneOf('b0', 'app_0');
    lineUp(grant, fill(fill(urgent, 50, 2), 1, 0));
    expect(startAll(grant, 1)[0]).toMatchObject({ lane: urgent, priority: 0 });
  });

  it('starts one that is larger than all bytes when nothing is in flight, and nothing else beside it', () => {
    const grant = createGrant(10, 100);
    lineUp(grant, fill(laneOf('large', 'app_a'), 1, 1, 200), fill(laneOf('small', 'app_b'), 1));
    const [large, ...more] = startAll(grant);
    expect(large?.bytes).toBe(200);
    expect(more).toEqual([]);
    end(grant, large!);
    expect(startAll(grant)).toHaveLength(1);
    expect(grant.bytes()).toBe(10);
  });

  it('forgets a lane that cannot start until it lines up again', () => {
    const grant = createGrant(10, 1e9);
    const lane = fill(fill(laneOf('a', 'app_a'), 1, 0), 1, 2);
    lineUp(grant, lane, lane);
    while (grant.peek(0) !== undefined) grant.pass();
    expect(lane.lines).toBe(0);
    lineUp(grant, lane);
    expect(startAll(grant)).toHaveLength(2);
  });
});
