/**
 * Tables in memory with PostgreSQL's READ COMMITTED, one statement a transaction: what a statement
 * reads is what was committed when it began; what it writes, it locks first, waits for whoever has
 * the lock, and then sees the newest version. Time is handed in and nothing is random, so it runs as
 * its caller drives it.
 */

type Row = object;
type Version = { readonly seq: number; readonly row: Row | null };
type Cell = {
  readonly table: string;
  readonly key: string;
  versions: Version[];
  lockedBy: Transaction | null;
  waiting: (() => void)[];
};
/** `sorted` is made when it is asked for and thrown away when a row comes. */
type Table = { readonly cells: Map<string, Cell>; sorted: readonly Cell[] | null };

/** What one commit did to one row. */
export type Change = {
  readonly table: string;
  readonly key: string;
  readonly before: Row | null;
  readonly after: Row | null;
};

export type World = {
  readonly tables: Map<string, Table>;
  seq: number;
  /** A sequence's last number: what it gave is gone, whatever becomes of the transaction. */
  lastPlace: number;
  /** Unix milliseconds; read once a statement. */
  readonly nowMs: () => number;
};

export const createWorld = (nowMs: () => number): World => ({
  tables: new Map(),
  seq: 0,
  lastPlace: 0,
  nowMs,
});

const tableOf = (world: World, name: string): Table => {
  let table = world.tables.get(name);
  if (table === undefined) world.tables.set(name, (table = { cells: new Map(), sorted: null }));
  return table;
};

const cellOf = (world: World, name: string, key: string): Cell => {
  const table = tableOf(world, name);
  let cell = table.cells.get(key);
  if (cell === undefined) {
    cell = { table: name, key, versions: [], lockedBy: null, waiting: [] };
    table.cells.set(key, cell);
    table.sorted = null;
  }
  return cell;
};

const at = (cell: Cell, seq: number): Row | null => {
  for (let index = cell.versions.length - 1; index >= 0; index--) {
    const version = cell.versions[index]!;
    if (version.seq <= seq) return version.row;
  }
  return null;
};

export class Transaction {
  readonly world: World;
  private readonly writes = new Map<Cell, Row | null>();
  private readonly locks = new Set<Cell>();
  /** What earlier statements of this transaction wrote. */
  private earlier = new Map<Cell, Row | null>();
  private isOver = false;
  /** What this statement sees; each statement begins with `snapshot()`. */
  seq: number;
  /** The time at which this statement began. */
  nowMs: number;

  constructor(world: World) {
    this.world = world;
    this.seq = world.seq;
    this.nowMs = world.nowMs();
  }

  snapshot(): void {
    this.seq = this.world.seq;
    this.nowMs = this.world.nowMs();
    this.earlier = new Map(this.writes);
  }

  /** As of the statement's snapshot. Own earlier statements count, own writes of this one do not. */
  read<T extends Row>(table: string, key: string): T | null {
    return this.readCell<T>(cellOf(this.world, table, key));
  }

  /** All rows of a table as of the snapshot, by key. */
  scan<T extends Row>(name: string): [key: string, row: T][] {
    const table = tableOf(this.world, name);
    table.sorted ??= [...table.cells.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    const rows: [string, T][] = [];
    for (const cell of table.sorted) {
      const row = this.readCell<T>(cell);
      if (row !== null) rows.push([cell.key, row]);
    }
    return rows;
  }

  /** Waits until nobody else has the row locked and returns its newest version, without locking it. */
  async whenFree<T extends Row>(table: string, key: string): Promise<T | null> {
    const cell = cellOf(this.world, table, key);
    while (cell.lockedBy !== null && cell.lockedBy !== this) {
      await new Promise<void>((resolve) => {
        cell.waiting.push(resolve);
      });
    }
    return this.newest(table, key);
  }

  /** Locks a row, waiting for its holder, and returns its newest version. */
  async lock<T extends Row>(table: string, key: string): Promise<T | null> {
    while (!this.tryLock(table, key)) await this.whenFree(table, key);
    return this.newest(table, key);
  }

  /** Locks a row unless somebody has it (SKIP LOCKED). */
  tryLock(table: string, key: string): boolean {
    if (this.isOver) throw new Error('the transaction is over');
    const cell = cellOf(this.world, table, key);
    if (cell.lockedBy !== null && cell.lockedBy !== this) return false;
    cell.lockedBy = this;
    this.locks.add(cell);
    return true;
  }

  /** The next number of the sequence. */
  nextPlace(): number {
    return ++this.world.lastPlace;
  }

  newest<T extends Row>(table: string, key: string): T | null {
    const cell = cellOf(this.world, table, key);
    const own = this.writes.get(cell);
    return (own === undefined ? at(cell, Infinity) : own) as T | null;
  }

  /** Whether a row is still the version that this statement's snapshot shows. */
  unchanged(table: string, key: string): boolean {
    return this.newest(table, key) === this.read(table, key);
  }

  /** Writes a locked row; null deletes. */
  write(table: string, key: string, row: Row | null): void {
    const cell = cellOf(this.world, table, key);
    if (!this.locks.has(cell)) throw new Error(`${table} ${key} is written without its lock`);
    this.writes.set(cell, row);
  }

  /** Inserts a row that nobody else can know of. */
  insert(table: string, key: string, row: Row): void {
    if (!this.tryLock(table, key) || this.newest(table, key) !== null)
      throw new Error(`${table} ${key} exists`);
    this.write(table, key, row);
  }

  /** What a commit now would change. */
  changes(): Change[] {
    return [...this.writes].map(([cell, after]) => {
      const { table, key } = cell;
      return { table, key, before: at(cell, Infinity), after };
    });
  }

  /** Ends the transaction; the world and a second end find nothing of it. */
  end(commit: boolean): void {
    if (commit && this.writes.size > 0) {
      const seq = ++this.world.seq;
      for (const [cell, row] of this.writes) cell.versions.push({ seq, row });
    }
    this.writes.clear();
    this.isOver = true;
    for (const cell of this.locks) {
      cell.lockedBy = null;
      for (const wake of cell.waiting.splice(0)) wake();
    }
    this.locks.clear();
  }

  private readCell<T extends Row>(cell: Cell): T | null {
    const own = this.earlier.size === 0 ? undefined : this.earlier.get(cell);
    return (own === undefined ? at(cell, this.seq) : own) as T | null;
  }
}
