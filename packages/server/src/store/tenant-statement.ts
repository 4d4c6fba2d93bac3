import type { SqlParam, SqlResult, Statement } from './postgres.ts';
import type { StoreFailure } from './failure.ts';

/**
 * A statement for one organisation, which its parameter number `org` (from 1) names. It runs behind the second wall:
 * in the role that sees this organisation's rows only, where there is one. It compares the organisation itself all
 * the same.
 */
export type TenantStatement = Statement & { readonly org: number };

const made = new Map<string, TenantStatement>();

/** Makes one; all of them are known by {@link tenantStatements}. @throws Error for a name with two texts. */
export const tenantStatement = (org: number, name: string, text: string): TenantStatement => {
  const before = made.get(name);
  if (before !== undefined && before.text !== text) throw new Error(`two statements are called ${name}`);
  const statement = { name, text, org };
  made.set(name, statement);
  return statement;
};

/** Every statement that was made for one organisation. */
export const tenantStatements = (): readonly TenantStatement[] => [...made.values()];

type Rows = <Row>(statement: TenantStatement, params: readonly SqlParam[]) => Promise<Row[]>;

/** A {@link Transaction} that takes nothing but statements for one organisation. */
export type TenantTransaction = { readonly run: Rows };

/** A {@link Database} that takes nothing but statements for one organisation: all that most of the API gets. */
export type TenantDatabase = {
  readonly run: <Row>(statement: TenantStatement, params: readonly SqlParam[]) => Promise<SqlResult<Row>>;
  readonly rows: Rows;
  readonly transaction: <Result>(
    body: (transaction: TenantTransaction) => Promise<Result>,
  ) => Promise<{ readonly kind: 'done'; readonly value: Result } | StoreFailure>;
};
