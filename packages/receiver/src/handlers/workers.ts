import type { ReceiverOptions } from './options.ts';
import { type Receiver, receiverOf } from './receiver.ts';
import { answerWeb } from './web.ts';

type Context = { readonly waitUntil: (work: Promise<unknown>) => void };

/**
 * The fetch handler of a Cloudflare Worker: `export default { fetch: webhooks((env: Env) => …) }`.
 * A function is called once with the bindings, where the secrets are; work that outlives the answer
 * is kept alive by `waitUntil`, and the sender's address is Cloudflare's word.
 */
export const webhooks = <Data = undefined, Env = unknown>(
  options: ReceiverOptions<Data> | Receiver | ((env: Env) => ReceiverOptions<Data> | Receiver),
) => {
  let receiver: Receiver | undefined;
  return (request: Request, env: Env, context: Context): Promise<Response> => {
    receiver ??= receiverOf(typeof options === 'function' ? options(env) : options);
    const peerAddress = request.headers.get('cf-connecting-ip');
    return answerWeb(
      receiver,
      request,
      'the Worker read the request before the receiver did. Pass request.clone() to what reads it first.',
      {
        ...(peerAddress === null ? {} : { peerAddress }),
        waitUntil: (work) => context.waitUntil(work),
      },
    );
  };
};
