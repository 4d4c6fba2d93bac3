import type { ApiClient } from './api-client.ts';
import { ApiError } from './api-client.ts';
import { DEMO_PATH, type DemoReceiver } from './demo.ts';

/** What became of the first message. */
export type DemoRun =
  | {
      readonly kind: 'delivered';
      readonly applicationId: string;
      readonly endpointId: string;
      readonly messageId: string;
      readonly verified: boolean;
      /** From posting the message to its arrival. */
      readonly elapsedMs: number;
    }
  /** The server runs, but the demo did not get through; `problem` is for people. */
  | { readonly kind: 'failed'; readonly problem: string };

export const DEMO_APPLICATION = 'demo';
const ENDPOINT_UID = 'demo-receiver';
const ARRIVAL_TIMEOUT_MS = 10_000;

type DemoDeps = {
  readonly call: ApiClient;
  /** Where the server listens. */
  readonly url: string;
  readonly receiver: Pick<DemoReceiver, 'receipt' | 'useSecret'>;
  readonly nowMs: () => number;
};

const settle = async ({
  call,
  url,
  receiver,
}: DemoDeps): Promise<{ applicationId: string; endpointId: string }> => {
  const application = await call('POST', '/api/v1/app?get_if_exists=true', {
    name: 'Demo',
    uid: DEMO_APPLICATION,
  });
  const applicationId = String(application?.['id']);
  const path = `/api/v1/app/${applicationId}/endpoint/${ENDPOINT_UID}`;
  // The port may differ from the last start's, and somebody may have disabled it.
  const wanted = { url: `${url}${DEMO_PATH}`, disabled: false };
  const endpoint = await call('PATCH', path, wanted).catch((error: unknown) => {
    if (!(error instanceof ApiError) || error.status !== 404) throw error;
    return call('POST', `/api/v1/app/${applicationId}/endpoint`, {
      ...wanted,
      uid: ENDPOINT_UID,
      description: 'Built into posthorn dev: verifies the signature and answers 200',
    });
  });
  const secret = await call('GET', `${path}/secret`).catch((error: unknown) => {
    if (!(error instanceof ApiError) || error.status !== 500) throw error;
    throw new Error(
      "its endpoint's secret cannot be read: this database was used with another main secret, kept in another data directory's dev.json",
    );
  });
  receiver.useSecret(String(secret?.['key']));
  return { applicationId, endpointId: String(endpoint?.['id']) };
};

const send = async (deps: DemoDeps, applicationId: string, endpointId: string): Promise<DemoRun> => {
  const { call, url, receiver, nowMs } = deps;
  const startedMs = nowMs();
  const message = await call('POST', `/api/v1/app/${applicationId}/msg`, {
    eventType: 'demo.started',
    payload: { type: 'demo.started', data: { hello: 'from Posthorn' } },
  });
  const messageId = String(message?.['id']);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ARRIVAL_TIMEOUT_MS);
  });
  const receipt = await Promise.race([receiver.receipt(messageId), late]);
  clearTimeout(timer);
  if (receipt === null) {
    const attempts = `GET ${url}/api/v1/app/${applicationId}/attempt/msg/${messageId}`;
    return {
      kind: 'failed',
      problem: `${messageId} did not arrive within ${ARRIVAL_TIMEOUT_MS / 1000} s. Its attempts say why: ${attempts}`,
    };
  }
  const elapsedMs = receipt.atMs - startedMs;
  return { kind: 'delivered', applicationId, endpointId, messageId, verified: receipt.verified, elapsedMs };
};

/** Makes sure of the demo application and its endpoint, then sends a message to it and waits for it. Never rejects. */
export const runDemo = async (deps: DemoDeps): Promise<DemoRun> => {
  try {
    const { applicationId, endpointId } = await settle(deps);
    return await send(deps, applicationId, endpointId);
  } catch (error) {
    const { message, cause } = error as Error & { cause?: { message?: string } };
    return {
      kind: 'failed',
      problem: cause?.message === undefined ? message : `${message} (${cause.message})`,
    };
  }
};
