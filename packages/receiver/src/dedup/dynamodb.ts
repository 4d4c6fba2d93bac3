import type { Claim, DedupStore } from '../contract.ts';
import { storedKey } from './stored-key.ts';

type Value = { S: string } | { N: string } | { BOOL: boolean };
type Item = { [name: string]: Value };

type Conditional = {
  TableName: string;
  ConditionExpression: string;
  ExpressionAttributeNames: { [name: string]: string };
  ExpressionAttributeValues: Item;
  ReturnValuesOnConditionCheckFailure?: 'ALL_OLD';
};

/** What is used of `new DynamoDB()` from `@aws-sdk/client-dynamodb`. */
export type DynamoClient = {
  readonly putItem: (input: Conditional & { Item: Item }) => Promise<unknown>;
  readonly updateItem: (input: Conditional & { Key: Item; UpdateExpression: string }) => Promise<unknown>;
  readonly deleteItem: (input: Conditional & { Key: Item }) => Promise<unknown>;
};

export type DynamoOptions = {
  /** A table whose partition key is a string, without a sort key. */
  readonly table: string;
  /** Its partition key. @default 'key' */
  readonly keyName?: string;
};

const NAMES = { '#handled': 'handled', '#lease': 'leaseUntilMs', '#expires': 'expiresAtMs' };
/** Somebody changed the item at the same moment. */
const CONFLICT_RETRY_MS = 100;

/**
 * Remembers in DynamoDB or what speaks like it, each step one conditional write. Time is the caller's
 * `nowMs`, compared in the condition. Switch on the table's time to live for the attribute `expiresAt`:
 * it only cleans up.
 */
export const dynamodbDedup = (
  client: DynamoClient,
  { table, keyName = 'key' }: DynamoOptions,
): DedupStore => {
  const keyOf = async (key: string): Promise<Item> => ({ [keyName]: { S: await storedKey(key) } });
  const mine = (token: string) => ({
    TableName: table,
    ConditionExpression: '#token = :token',
    ExpressionAttributeNames: { '#token': 'token' },
    ExpressionAttributeValues: { ':token': { S: token } },
  });
  return {
    claim: async (key, { ttlMs, leaseMs, nowMs }) => {
      const token = crypto.randomUUID();
      const expiresAtMs = Math.ceil(nowMs + Math.max(ttlMs, leaseMs));
      const item = await keyOf(key);
      try {
        await client.putItem({
          TableName: table,
          Item: {
            ...item,
            token: { S: token },
            leaseUntilMs: { N: String(Math.ceil(nowMs + leaseMs)) },
            expiresAtMs: { N: String(expiresAtMs) },
            expiresAt: { N: String(Math.ceil(expiresAtMs / 1_000)) },
          },
          ConditionExpression:
            'attribute_not_exists(#expires) OR #expires <= :now OR (attribute_not_exists(#handled) AND #lease <= :now)',
          ExpressionAttributeNames: NAMES,
          ExpressionAttributeValues: { ':now': { N: String(Math.floor(nowMs)) } },
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
        });
        return { kind: 'first', token };
      } catch (error) {
        return heldBy(error, token, nowMs);
      }
    },
    done: async (key, token) => {
      try {
        const { ExpressionAttributeNames, ExpressionAttributeValues, ...rest } = mine(token);
        await client.updateItem({
          ...rest,
          Key: await keyOf(key),
          UpdateExpression: 'SET #handled = :handled',
          ExpressionAttributeNames: { ...ExpressionAttributeNames, '#handled': 'handled' },
          ExpressionAttributeValues: { ...ExpressionAttributeValues, ':handled': { BOOL: true } },
        });
        return 'kept';
      } catch (error) {
        if (named(error) !== 'ConditionalCheckFailedException') throw error;
        return 'lost';
      }
    },
    forget: async (key, token) => {
      try {
        const { ConditionExpression, ExpressionAttributeNames, ...rest } = mine(token);
        await client.deleteItem({
          ...rest,
          Key: await keyOf(key),
          ConditionExpression: `${ConditionExpression} AND attribute_not_exists(#handled)`,
          ExpressionAttributeNames: { ...ExpressionAttributeNames, '#handled': 'handled' },
        });
      } catch (error) {
        if (named(error) !== 'ConditionalCheckFailedException') throw error;
      }
    },
  };
};

/** The claim that a refused put amounts to. @throws the error when it is about something else */
const heldBy = (error: unknown, token: string, nowMs: number): Claim => {
  if (named(error) === 'TransactionConflictException')
    return { kind: 'busy', retryAfterMs: CONFLICT_RETRY_MS };
  if (named(error) !== 'ConditionalCheckFailedException') throw error;
  // Without the item (an old server) it is not known to be handled, and the sender tries again.
  const item = (error as { readonly Item?: Item }).Item ?? {};
  if (item['handled'] !== undefined) return { kind: 'done' };
  const { token: holder, leaseUntilMs: lease } = item;
  // The SDK sent the same put again, because the answer to the first got lost.
  if (holder !== undefined && 'S' in holder && holder.S === token) return { kind: 'first', token };
  const untilMs = lease !== undefined && 'N' in lease ? Number(lease.N) : nowMs;
  return { kind: 'busy', retryAfterMs: Math.max(CONFLICT_RETRY_MS, untilMs - nowMs) };
};

const named = (error: unknown): string => (error instanceof Error ? error.name : '');
