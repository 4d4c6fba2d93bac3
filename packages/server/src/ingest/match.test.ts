import { describe, expect, it } from 'vitest';
import type { EndpointConfig } from '../domain/configuration.ts';
import { subscribes } from './match.ts';

const endpoint = (filter: Partial<EndpointConfig>): EndpointConfig => ({
  id: 'ep_1',
  applicationId: 'app_1',
  orgId: 'org_1',
  partition: 0,
  url: 'https://example.com/',
  disabled: false,
  eventTypes: null,
  channels: null,
  keys: [],
  headers: [],
  retryPolicy: null,
  rateLimit: null,
  fifo: false,
  paused: null,
  ...filter,
});

describe('subscribes', () => {
  it.each([
    ['an endpoint without filters takes all', {}, ['a', null], true],
    ['also messages with channels', {}, ['a', ['x']], true],
    ['its event types', { eventTypes: ['a', 'b'] }, ['b', null], true],
    ['no other event types', { eventTypes: ['a', 'b'] }, ['c', null], false],
    ['not a prefix of one', { eventTypes: ['user.created'] }, ['user', null], false],
    ['a shared channel', { channels: ['x', 'y'] }, ['a', ['y', 'z']], true],
    ['no message without channels once it filters by them', { channels: ['x'] }, ['a', null], false],
    ['both filters must agree', { eventTypes: ['a'], channels: ['x'] }, ['b', ['x']], false],
    ['nothing while disabled', { disabled: true }, ['a', null], false],
  ] as const)('%s', (_, filter, [eventType, channels], expected) => {
    expect(subscribes(endpoint(filter), { eventType, channels })).toBe(expected);
  });
});
