import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { signatureProblem } from './signature-check.ts';

const secret = `whsec_${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`;
const body = Buffer.from('{"seq":"0000000001","note":"ü"}');

function head(signature: string): string {
  return `POST / HTTP/1.1\r\nWebhook-Id: msg_1\r\nwebhook-timestamp: 1700000000\r\nwebhook-signature: ${signature}\r\n\r\n`;
}

describe('signatureProblem', () => {
  const signature = new Webhook(secret).sign('msg_1', new Date(1_700_000_000_000), body.toString());

  it('agrees with the official library', () => {
    expect(signatureProblem(head(signature), body, secret)).toBeUndefined();
    expect(signatureProblem(head(`v1a,xx ${signature}`), body, secret)).toBeUndefined();
  });

  it('notices another body, another key and missing headers', () => {
    expect(signatureProblem(head(signature), Buffer.from('{}'), secret)).toContain('does not verify');
    const other = `whsec_${Buffer.from('another key').toString('base64')}`;
    expect(signatureProblem(head(signature), body, other)).toContain('does not verify');
    expect(signatureProblem('POST / HTTP/1.1\r\n\r\n', body, secret)).toContain('missing');
  });
});
