import { eventTypeLimits } from '../domain/event-types.ts';
import { describe, expect, it } from 'vitest';
import { readWebhooks, writeWebhooks } from './openapi-webhooks.ts';
import type { DescribedEventType } from './openapi-webhooks.ts';

const read = (document: unknown): readonly DescribedEventType[] => {
  const reading = readWebhooks(document, 'spec');
  if (reading.kind === 'invalid') throw new Error(JSON.stringify(reading.items));
  return reading.eventTypes;
};
const problems = (document: unknown) => {
  const reading = readWebhooks(document, 'spec');
  return reading.kind === 'invalid' ? reading.items : [];
};
const posting = (schema: unknown, more: object = {}) => ({
  post: { requestBody: { content: { 'application/json': { schema } } }, ...more },
});

describe('readWebhooks', () => {
  it('takes name, description, schema, deprecation, group and flags', () => {
    const eventTypes = read({
      openapi: '3.1.0',
      webhooks: {
        'invoice.paid': posting(
          { type: 'object' },
          {
            description: 'An invoice was paid',
            deprecated: true,
            'x-svix-group-name': 'invoice',
            'x-svix-feature-flags': ['beta', 'eu'],
            'x-posthorn-priority': 'critical',
          },
        ),
        'An invoice!': {
          put: { operationId: 'invoice.sent', summary: 'Sent', 'x-svix-feature-flag': 'beta' },
        },
      },
      'x-webhooks': { old: { summary: 'Of the path', post: {} } },
    });
    expect(eventTypes).toEqual([
      {
        name: 'invoice.paid',
        description: 'An invoice was paid',
        schemas: { 1: { type: 'object' } },
        deprecated: true,
        groupName: 'invoice',
        featureFlags: ['beta', 'eu'],
        priority: 0,
      },
      {
        name: 'invoice.sent',
        description: 'Sent',
        schemas: null,
        deprecated: false,
        groupName: null,
        featureFlags: ['beta'],
        priority: null,
      },
      expect.objectContaining({ name: 'old', description: 'Of the path' }),
    ]);
  });

  it('lets a schema stand by itself, also one that refers to itself', () => {
    const node = { type: 'object', properties: { next: { $ref: '#/components/schemas/Node' } } };
    const [eventType] = read({
      openapi: '3.1.0',
      webhooks: { a: { $ref: '#/components/pathItems/A' } },
      components: {
        pathItems: { A: { post: { requestBody: { $ref: '#/components/requestBodies/B' } } } },
        requestBodies: {
          B: { content: { 'application/json': { schema: { $ref: '#/components/schemas/List' } } } },
        },
        schemas: {
          List: { type: 'array', items: { $ref: '#/components/schemas/Node' } },
          Node: node,
          Other: {},
        },
      },
    });
    expect(eventType?.schemas?.['1']).toEqual({
      $ref: '#/definitions/List',
      definitions: {
        List: { type: 'array', items: { $ref: '#/definitions/Node' } },
        Node: { type: 'object', properties: { next: { $ref: '#/definitions/Node' } } },
      },
    });
  });

  it('keeps the examples that stand beside a schema', () => {
    const content = (media: object) => ({
      openapi: '3.1.0',
      webhooks: { a: { post: { requestBody: { content: { 'application/json': media } } } } },
    });
    const schemaOf = (media: object) => read(content(media))[0]?.schemas?.['1'];
    const schema = { type: 'object' };
    expect(schemaOf({ schema, example: { n: 1 } })).toEqual({ allOf: [schema], examples: [{ n: 1 }] });
    expect(schemaOf({ schema, examples: { x: { value: { n: 2 } }, y: {} } })).toEqual({
      allOf: [schema],
      examples: [{ n: 2 }],
    });
    const own = { ...schema, examples: [{ n: 3 }] };
    expect(schemaOf({ schema: own, example: { n: 4 } })).toEqual(own);
  });

  it('reads the dialect of OpenAPI 3.0', () => {
    const [eventType] = read({
      openapi: '3.0.3',
      'x-webhooks': {
        a: posting({
          properties: {
            nullable: { type: 'string', nullable: true },
            n: { type: 'integer', minimum: 0, exclusiveMinimum: true, maximum: 9, exclusiveMaximum: false },
          },
        }),
      },
    });
    expect(eventType?.schemas?.['1']).toEqual({
      properties: {
        nullable: { type: ['string', 'null'] },
        n: { type: 'integer', exclusiveMinimum: 0, maximum: 9 },
      },
    });
  });

  it('says what is wrong where, all at once', () => {
    const found = problems({
      openapi: '3.1.0',
      webhooks: {
        'no name!': { post: {} },
        nothing: {},
        lost: posting({ $ref: '#/components/schemas/Lost' }),
        outside: posting({ $ref: 'https://a.test/schema.json' }),
        broken: posting({ type: 'thing' }),
        group: { post: { 'x-svix-group-name': 'a b' } },
        flags: { post: { 'x-svix-feature-flags': [] } },
        urgency: { post: { 'x-posthorn-priority': 'urgent' } },
        twice: { post: {} },
      },
      'x-webhooks': { twice: { post: {} } },
    });
    expect(found.map(({ loc, msg }) => [loc.join(' '), msg.slice(0, 20)])).toEqual([
      ['body spec webhooks no name!', 'has no name for an e'],
      ['body spec webhooks nothing', 'has no operation'],
      ['body spec webhooks lost', 'refers to #/componen'],
      ['body spec webhooks outside', 'refers to https://a.'],
      ['body spec webhooks broken', 'not a valid JSON Sch'],
      ['body spec webhooks group', 'has an `x-svix-group'],
      ['body spec webhooks flags', 'has `x-svix-feature-'],
      ['body spec webhooks urgency', 'has an `x-posthorn-p'],
      ['body spec x-webhooks twice', 'is described twice'],
    ]);
    for (const document of [null, [], { openapi: '3.1.0' }, { webhooks: [] }]) {
      expect(problems(document)).toMatchObject([{ loc: ['body', 'spec'] }]);
    }
  });

  it('bounds what a small document can grow to', () => {
    const webhooks = Object.fromEntries(
      Array.from({ length: 500 }, (_, n) => [`e${n}`, posting({ $ref: '#/components/schemas/Large' })]),
    );
    const components = { schemas: { Large: { description: 'x'.repeat(100_000) } } };
    expect(problems({ webhooks, components })).toMatchObject([{ msg: expect.stringContaining('too large') }]);
    const { count } = eventTypeLimits;
    const many = Object.fromEntries(Array.from({ length: count + 1 }, (_, n) => [`e${n}`, { post: {} }]));
    expect(problems({ webhooks: many })).toMatchObject([{ msg: expect.stringContaining(String(count)) }]);
    // A chain of references that no stack is deep enough for.
    const links = Array.from({ length: 50_000 }, (_, n) => [
      `S${n}`,
      { $ref: `#/components/schemas/S${n + 1}` },
    ]);
    const chain = { webhooks: { a: posting({ $ref: '#/components/schemas/S0' }) } };
    const schemas = Object.fromEntries([...links, ['S50000', {}]]) as object;
    expect(read({ ...chain, components: { schemas } })).toHaveLength(1);
  });
});

describe('writeWebhooks', () => {
  it('is read again as it was', () => {
    const schema = { $ref: '#/definitions/a.List', definitions: { 'a.List': { type: 'array' } } };
    const record = {
      name: 'a',
      description: 'A',
      archived: false,
      deprecated: true,
      schemas: { 1: { type: 'string' }, 10: schema, 9: { type: 'number' } },
      featureFlags: ['f'],
      groupName: 'g',
      retryPolicy: null,
      priority: 0 as const,
      createdAtMs: 0,
      updatedAtMs: 0,
    };
    const plain = {
      ...record,
      name: 'b',
      deprecated: false,
      schemas: null,
      featureFlags: null,
      groupName: null,
      priority: null,
    };
    const document = writeWebhooks([record, plain]);
    expect(document['components']).toEqual({ schemas: { 'a.List': { type: 'array' } } });
    expect(read(document)).toEqual([
      {
        name: 'a',
        description: 'A',
        schemas: { 1: schema },
        deprecated: true,
        groupName: 'g',
        featureFlags: ['f'],
        priority: 0,
      },
      {
        name: 'b',
        description: 'A',
        schemas: null,
        deprecated: false,
        groupName: null,
        featureFlags: null,
        priority: null,
      },
    ]);
  });
});
