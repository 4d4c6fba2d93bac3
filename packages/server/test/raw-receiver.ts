import { onTestFinished } from 'vitest';
import { type Behaviour, type Host, openHost } from '../../../tools/zoo/host.ts';

export { answering, http, ok } from '../../../tools/zoo/host.ts';

/** A receiver that may do on its socket whatever it likes; gone when the test ends. */
export const rawReceiver = async (behaviour: Behaviour): Promise<Host> => {
  const host = await openHost(behaviour);
  onTestFinished(() => void host.close());
  return host;
};
