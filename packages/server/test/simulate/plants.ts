/** A change of one source: `find` must be in it, once. */
export type Edit = { readonly file: string; readonly find: string; readonly replace: string };

const src = (path: string, find: string, replace: string): Edit => ({
  file: `packages/server/src/${path}`,
  find,
  replace,
});
/** The model stands for the SQL: what its tests forbid is planted there. */
const model = (path: string, find: string, replace: string): Edit => ({
  file: `packages/server/test/store/${path}`,
  find,
  replace,
});

/** Bugs, each as small as somebody might make it, to show that the simulation finds what they do. */
export const plants: Readonly<Record<string, readonly Edit[]>> = {
  'unfenced-settle': [model('model-rows.ts', ' || seen.node !== node || seen.epoch !== delivery.epoch', '')],
  'unfenced-acceptance': [
    model('model-acceptance.ts', ' && owner?.node === node && owner.epoch === delivery.holdEpoch', ''),
  ],
  'ack-before-commit': [
    src(
      'ingest/ingest.ts',
      '    commits.add(\n',
      "    answer({ kind: 'accepted', message });\n    answer = () => {};\n    commits.add(\n",
    ),
  ],
  'lost-commit-reply-delivered': [
    src(
      'ingest/ingest.ts',
      'return await deps.store.insertMessages(deps.node, batch);',
      `const reply = await deps.store.insertMessages(deps.node, batch);
      const held = (item) => ({ kind: 'accepted', held: item.deliveries.map((one) => one.endpointId) });
      return reply.kind === 'unknown' ? { kind: 'done', outcomes: batch.map(held) } : reply;`,
    ),
  ],
  'repeated-request-stored': [
    model('model-acceptance.ts', 'do {\n      for (const key of keys)', 'do {\n      for (const key of [])'),
  ],
  'stale-configuration-accepted': [
    model('model-acceptance.ts', ' || application.configVersion !== item.configVersion', ''),
  ],
  'unheard-change': [
    src(
      'dispatch/notices.ts',
      'await Promise.all(notices.map(({ endpointId }) => deps.onChanged(endpointId)));',
      '',
    ),
  ],
  'retry-after-terminal': [
    src(
      'outcome/decide.ts',
      "      return { kind: 'succeeded' };",
      `      return input.random < 0.1
        ? { kind: 'retry', atMs: Math.ceil(input.nowMs) + 100, countsAsAttempt: true }
        : { kind: 'succeeded' };`,
    ),
  ],
  'early-retry': [src('outcome/decide.ts', 'Math.ceil(nowMs) + waitMs +', 'Math.ceil(nowMs) + waitMs / 2 +')],
  'skipped-late-commit': [
    src(
      'dispatch/maintenance.ts',
      'for (const row of rows) lanes.notice(row);',
      `for (const row of rows) {
        if (row.nextDueMs < (lanes.seenUntilMs ?? 0)) continue;
        lanes.seenUntilMs = Math.min(row.nextDueMs, clock.nowMs());
        lanes.notice(row);
      }`,
    ),
  ],
  'lost-wake-up': [model('model-acceptance.ts', 'else late.set(', 'else if (false) late.set(')],
  'double-ownership': [
    src('dispatch/ownership.ts', 'epochs.get(tenure.partition) !== tenure.epoch', 'false'),
  ],
  'lease-overrun': [
    src(
      'dispatch/ownership.ts',
      'clock.monotonicMs() < endMonotonicMs && wallMs() < endWallMs;',
      'endMonotonicMs > 0;',
    ),
  ],
  'lost-sweep': [
    src(
      'dispatch/maintenance.ts',
      '      isTakeOverDue = true;\n      scanning.kick();',
      '      scanning.kick();',
    ),
    src(
      'dispatch/maintenance.ts',
      "if (deps.isSafe()) await freeAll('sweep'",
      "if (false) await freeAll('sweep'",
    ),
  ],
  'reconciled-from-memory': [
    src('dispatch/maintenance.ts', 'return held.has(key) || left.has(key);', 'return left.has(key);'),
  ],
  'forgotten-drain': [
    src('dispatch/leave.ts', 'ownership.release(node.open.size() > 0 ? drainMs : 0)', 'ownership.release(0)'),
  ],
  'forgotten-settle': [
    src(
      'dispatch/settler.ts',
      'onUnavailable(batch, reply.detail);',
      "batch.forEach((settlement) => end(settlement, 'settled'));",
    ),
  ],
  'two-times-in-a-turn': [
    src('dispatch/starter.ts', 'review(lane, nowMs, monotonicMs)', 'review(lane, nowMs)'),
  ],
  'order-from-memory': [src('ingest/ingest.ts', ' || orderKey !== null;', ';')],
  'order-past-the-held': [
    model('model-order.ts', "placedOf(place).every(({ state }) => state !== 'held') &&", ''),
  ],
  'order-past-the-retry': [
    model(
      'model-order.ts',
      ".filter(({ state }) => state === 'waiting')",
      ".filter(({ state, dueMs }) => state === 'waiting' && dueMs <= tx.nowMs)",
    ),
  ],
  'order-past-the-dead': [model('model-order.ts', "blocks && letter === 'open'", 'false')],
  'order-by-arrival': [
    model('model-order.ts', '.sort((a, b) => a.seq - b.seq)[0]', '.sort((a, b) => a.dueMs - b.dueMs)[0]'),
  ],
  'order-of-the-own-only': [
    model(
      'model-order.ts',
      "placedOf(place).every(({ state }) => state !== 'held') &&",
      "placedOf(place).every((row) => row.state !== 'held' || tx.read('partition', partitionKey(row.partition)).epoch !== row.epoch) &&",
    ),
  ],
  'order-scan-forgotten': [
    src('dispatch/lane-order.ts', 'if (hasOrdered && dueMs <= nowMs) return wantAll(order);', ''),
  ],
  'sent-after-standing-still': [
    src(
      'dispatch/ownership.ts',
      '? isSafe()\n      : clock.monotonicMs()',
      '? true\n      : clock.monotonicMs()',
    ),
  ],
  'limiter-leak': [src('dispatch/rate.ts', 'resting.push(nowMs + RATE_WINDOW_MS);', '')],
  'slot-leak': [src('dispatch/dispatcher.ts', '      lane.inFlight--;\n', '')],
};
