import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * Verifies a Standard Webhooks `v1` signature over the raw head and body of a
 * request. Returns what is wrong, or undefined when it verifies.
 */
export function signatureProblem(head: string, body: Buffer, secret: string): string | undefined {
  const id = header(head, 'webhook-id');
  const timestamp = header(head, 'webhook-timestamp');
  const signatures = header(head, 'webhook-signature');
  if (id === undefined || timestamp === undefined || signatures === undefined) {
    return 'a webhook-id, webhook-timestamp or webhook-signature header is missing';
  }
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
  for (const signature of signatures.split(' ')) {
    const [version, value = ''] = signature.split(',');
    const bytes = Buffer.from(value, 'base64');
    if (version === 'v1' && bytes.length === expected.length && timingSafeEqual(bytes, expected)) {
      return undefined;
    }
  }
  return `the signature of ${id} does not verify`;
}

function header(head: string, name: string): string | undefined {
  return new RegExp(`\\r\\n${name}:[ \\t]*([^\\r]*)`, 'i').exec(head)?.[1]?.trim();
}
