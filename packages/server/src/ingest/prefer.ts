/** Whether a request asks that nothing of it be ignored (RFC 7240). */
export const prefersStrict = (prefer: string | readonly string[] | undefined): boolean =>
  prefer !== undefined && /(?:^|[,;])\s*handling\s*=\s*"?strict"?\s*(?:$|[,;])/i.test(String(prefer));
