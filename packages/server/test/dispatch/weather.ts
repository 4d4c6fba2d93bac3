import type { DispatchStore } from '../../src/dispatch/port.ts';

type Fault = 'none' | 'before' | 'after';

/** What happens to a statement: how long it takes each way, and whether it or its reply is lost. */
export type Weather = (
  operation: keyof DispatchStore,
  node: string | null,
) => {
  readonly thereMs: number;
  readonly backMs: number;
  readonly fault: Fault;
};

export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}

export const fair: Weather = () => ({ thereMs: 1, backMs: 1, fault: 'none' });
