import type { Fault } from './fault.ts';
import { faultsOfDisk } from './faults-of-disk.ts';
import { faultsOfEverything } from './faults-of-everything.ts';
import { faultsOfLoad } from './faults-of-load.ts';
import { faultsOfNodes } from './faults-of-nodes.ts';
import { faultsOfPostgres } from './faults-of-postgres.ts';
import { faultsOfUpgrade } from './faults-of-upgrade.ts';

export const faults: readonly Fault[] = [
  ...faultsOfNodes,
  ...faultsOfPostgres,
  ...faultsOfDisk,
  ...faultsOfLoad,
  ...faultsOfUpgrade,
  ...faultsOfEverything,
];
