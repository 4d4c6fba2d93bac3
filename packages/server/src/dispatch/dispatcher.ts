import { createAlarm } from './alarm.ts';
import { createBalancer } from './balancer.ts';
import { createChores } from './chores.ts';
import type { Dispatcher, DispatcherDeps } from './contract.ts';
import { lineOf } from '../domain/delivery.ts';
import { createEndpoints } from './endpoints.ts';
import { createGrant } from './grant.ts';
import { createHandBack } from './hand-back.ts';
import { applyEvidence, type Evidence } from './lane-effects.ts';
import { createLaneRows } from './lane-rows.ts';
import type { Lane, Tenure } from './lane.ts';
import { createLanes, type Lanes } from './lanes.ts';
import { drainNode, type DrainReport } from './leave.ts';
import { createMaintenance, heldKey } from './maintenance.ts';
import { createManual } from './manual.ts';
import { createManualEffects } from './manual-effects.ts';
import { createManualSlots } from './manual-slots.ts';
import { createMemory } from './memory.ts';
import { createNotices } from './notices.ts';
import { createObserver } from './observer.ts';
import { createOwnership } from './ownership.ts';
import { createOpenDeliveries } from './open-deliveries.ts';
import { createPolicies } from './policies.ts';
import { createPollers } from './pollers.ts';
import type { HeldDelivery } from './port.ts';
import { createRunner } from './runner.ts';
import { createOnSettled } from './settled.ts';
import { createSettler } from './settler.ts';
import { createShares } from './shares.ts';
import { noteEnd } from './standing.ts';
import { createStarter } from './starter.ts';
import { createUnfolder } from './unfolder.ts';

export type { Dispatcher } from './contract.ts';

/** Wires the parts of dispatch; the only file here that knows all of them. */
export const createDispatcher = (deps: DispatcherDeps): Dispatcher => {
  const { node, store, clock, random, timers, settings } = deps;
  const observe = createObserver(deps.observe ?? {});
  const memory = createMemory(settings.nodeRows, settings.nodeBytes);
  const grant = createGrant(settings.maxInFlight, settings.maxInFlightBytes);
  const open = createOpenDeliveries();
  let isLeaving = false;
  let draining: Promise<DrainReport> | null = null;

  const isSafe = (): boolean => ownership.isSafe();
  const mayPoll = (): boolean => !isLeaving && open.size() < settings.maxUnsettled && isSafe();

  const lanes: Lanes = createLanes({
    clock,
    settings,
    memory,
    tenureOf: (partition) => (isLeaving ? null : ownership.tenureOf(partition)),
    needs: {
      start: (lane) => starter.lineUp(lane),
      poll: (lane) => pollers.poll(lane),
      pollOrdered: (lane) => pollers.pollOrdered(lane),
      row: (lane) => rows.add(lane),
      endpoint: (lane) => endpoints.want(lane),
      timer: (atMs) => alarm.set(atMs),
    },
  });
  const review = (lane: Lane): void => lanes.review(lane, clock.nowMs());
  const wakeAll = (endpointIds: readonly string[]): void => {
    const nowMs = clock.nowMs();
    for (const endpointId of endpointIds) lanes.wake(endpointId, nowMs);
  };
  const alarm = createAlarm({ clock, timers, ring: (nowMs) => lanes.reviewDue(nowMs) });
  const rows = createLaneRows({ store, timers, lanes: () => lanes, observe });
  const handBack = createHandBack({
    node: node.id,
    store,
    observe,
    onGivenBack: (deliveries) => {
      const nowMs = clock.nowMs();
      for (const { endpointId, priority, orderKey } of deliveries)
        lanes.wake(endpointId, nowMs, lineOf(priority, orderKey));
    },
    onEnd: (delivery) => {
      maintenance.departed(delivery);
      lanes.left(delivery, clock.nowMs());
    },
  });
  const giveBack = (lane: Lane): void => handBack.give(lanes.empty(lane));
  const endpoints = createEndpoints({
    store,
    timers,
    clock,
    observe,
    onChanged: review,
    onFirst: (lane) => lanes.doubt(lane),
    onStopped: giveBack,
    onDeleted: (lane) => {
      // Not only forgotten: whoever owns it by the time it is closed must not take it for sent.
      giveBack(lane);
      chores.close(lane);
    },
  });
  const policies = createPolicies({
    store,
    clock,
    timers,
    refreshMs: settings.endpointRefreshMs,
    observe,
  });
  const pollers = createPollers({
    node: node.id,
    store,
    timers,
    clock,
    settings,
    memory,
    lanes: () => lanes,
    observe,
    mayPoll,
    readRow: (lane) => rows.add(lane),
    onOrphans: (deliveries) => handBack.give(deliveries),
  });

  const onSettled = createOnSettled({
    clock,
    lanes,
    open,
    memory,
    departed: (delivery) => maintenance.departed(delivery),
    recordLost: (settlement) => manual.recordLost(settlement),
    kick: () => {
      starter.kick();
      pollers.kick();
    },
  });
  const settler = createSettler({
    node: node.id,
    store,
    timers,
    random,
    settings,
    observe,
    onDoubt: ({ delivery }) => {
      const lane = lanes.ensure(delivery.endpointId);
      if (lane === null) return false;
      lane.doubts++;
      return true;
    },
    onEnd: onSettled,
  });

  const onEvidence = (lane: Lane, tenure: Tenure | null, evidence: Evidence, nowMs: number): void => {
    if (lane.tenure === null || lane.tenure !== tenure) return;
    // What another address has said while the endpoint moved.
    if (lane.lastUrl !== null && lane.lastUrl !== evidence.url) return;
    const consequence = applyEvidence(lane, evidence, nowMs, clock.monotonicMs(), settings, observe);
    if (consequence !== null) chores.disable(lane, consequence.disable);
    const blockedMs = (lane.block?.untilMs ?? nowMs) - nowMs;
    if (lane.block !== null) review(lane);
    if (blockedMs > settings.handBackAfterMs) giveBack(lane);
  };
  const runner = createRunner({
    attempt: deps.attempt,
    clock,
    random,
    ids: deps.ids,
    defaultPolicy: settings.retryPolicy,
    policyOf: policies.of,
    observe,
    onDone: (lane, { delivery, standing }, outcome) => {
      lane.inFlight--;
      noteEnd(lane.record, outcome, clock.monotonicMs());
      grant.give(delivery.applicationId, standing, delivery.payload.byteLength);
      if (lane.window.size() > 0) starter.lineUp(lane);
      else starter.kick();
    },
    onEvidence,
    settle: settler.add,
  });
  const shares = createShares({
    node: node.id,
    store,
    clock,
    timers,
    settings,
    observe,
    lineUp: (lane) => starter.lineUp(lane),
  });
  const starter = createStarter({
    clock,
    timers,
    settings,
    grant,
    lanes: () => lanes,
    shares,
    open,
    isSafe,
    run: runner.run,
    refresh: (lane) => endpoints.want(lane),
    poll: (lane) => pollers.poll(lane),
    pollOrdered: (lane) => pollers.pollOrdered(lane),
    handBack: giveBack,
    // The store cancels it when it is asked for it again.
    expired: (delivery) => {
      memory.give(delivery.applicationId, delivery.payload.byteLength);
      handBack.give([delivery]);
    },
  });
  const chores = createChores({
    node: node.id,
    store,
    clock,
    timers,
    lanes,
    observe,
    isBusy: (lane) => {
      return open.items().some(({ endpointId }) => endpointId === lane.endpointId);
    },
    onDisabled: (lane) => void endpoints.invalidate(lane),
  });
  const maintenance = createMaintenance({
    node: node.id,
    store,
    clock,
    timers,
    ids: deps.ids,
    settings,
    lanes,
    observe,
    isSafe,
    hasPeers: () => balancer.hasPeers(),
    heldKeys: () => {
      const keys = new Set<string>();
      const add = ({ messageId, endpointId }: HeldDelivery): void => {
        keys.add(heldKey(messageId, endpointId));
      };
      open.items().forEach(add);
      handBack.underWay().forEach(add);
      for (const lane of lanes.all()) lane.window.items().forEach(add);
      return keys;
    },
  });

  const manual = createManual({
    store,
    attempt: deps.attempt,
    clock,
    ids: deps.ids,
    timers,
    maxInFlight: settings.maxManual,
    slot: createManualSlots({ lanes: () => lanes, shares, clock, timers }),
    observe,
    onRecorded: createManualEffects({ lanes, clock, settings, onEvidence }),
  });

  const ownership = createOwnership({
    node,
    store,
    clock,
    wallMs: deps.wallMs,
    synchronise: deps.synchronise,
    timers,
    settings,
    observe,
    wanted: (held) => balancer.wanted(held),
    onGained: () => maintenance.takeOver(),
    onResumed: () => {
      endpoints.distrust();
      for (const lane of lanes.all()) void endpoints.invalidate(lane);
    },
    onLost: (tenures) => lanes.lose(tenures),
    onRenewed: () => {
      starter.kick();
      pollers.kick();
    },
  });

  const balancer = createBalancer({
    node,
    store,
    clock,
    timers,
    settings,
    ownership: () => ownership,
    lanes,
    handBack,
    open,
    observe,
  });

  /** What new work may be held by; null: it has to wait in the store. */
  const holding = (partition: number): Tenure | null => {
    const tenure = isLeaving ? null : ownership.tenureOf(partition);
    return tenure?.isLeaving === false && isSafe() ? tenure : null;
  };

  const endpointChanged = async (endpointId: string): Promise<void> => {
    endpoints.distrust();
    const lane = lanes.get(endpointId);
    if (lane !== undefined) await endpoints.invalidate(lane);
  };
  const notices = createNotices({ node: node.id, store, timers, onChanged: endpointChanged, observe });

  const unfolder = createUnfolder({
    node: node.id,
    store,
    timers,
    settings,
    isSafe,
    onUnfolded: wakeAll,
    observe,
  });

  const lanesOf = (applicationId: string): Lane[] =>
    [...lanes.all()].filter((lane) => (lane.endpoint ?? lane.offered)?.applicationId === applicationId);

  return {
    owns: (partition) => holding(partition)?.epoch ?? null,
    commit: lanes.commit,
    cancel: lanes.cancel,
    wake: lanes.wake,
    resend: manual.send,
    unfold: unfolder.kick,
    start: async () => {
      await ownership.start();
      if (isLeaving) return;
      maintenance.start();
      chores.start();
      balancer.start();
      notices.start();
      unfolder.start();
      shares.start();
    },
    admit: (endpoint, bytes, priority) => {
      const tenure = holding(endpoint.partition);
      return tenure !== null && lanes.admit(endpoint, bytes, priority, tenure) ? tenure.epoch : null;
    },
    configChanged: async (change) => {
      if ('orgId' in change) {
        policies.invalidate(change.orgId);
        return;
      }
      if ('endpointId' in change) return endpointChanged(change.endpointId);
      endpoints.distrust();
      const affected = lanesOf(change.applicationId);
      await Promise.all(affected.map((each) => endpoints.invalidate(each)));
    },
    drain: (graceMs) => {
      isLeaving = true;
      draining ??= drainNode(
        {
          clock,
          timers,
          lanes,
          open,
          inFlight: grant.inFlight,
          starter,
          pollers,
          maintenance,
          chores,
          balancer,
          handBack,
          settler,
          manual,
          shares,
          ownership,
          observe,
        },
        graceMs,
      ).finally(silence);
      return draining;
    },
    stop: () => {
      isLeaving = true;
      silence();
    },
    numbers: () => ({
      partitions: ownership.partitions(),
      isInTouch: ownership.isInTouch(),
      lanes: lanes.count(),
      rows: memory.rows(),
      bytes: memory.bytes(),
      inFlight: grant.inFlight(),
      unsettled: open.size() - grant.inFlight(),
      manual: manual.inFlight(),
    }),
  };

  function silence(): void {
    starter.stop();
    alarm.stop();
    rows.stop();
    endpoints.stop();
    policies.stop();
    settler.stop();
    manual.abort();
    ownership.stop();
    for (const loop of [pollers, maintenance, chores, balancer, notices, unfolder, shares]) void loop.stop();
  }
};
