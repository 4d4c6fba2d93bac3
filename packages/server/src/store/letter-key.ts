/** Where a dead letter stands in the lists: when it died, to the microsecond, and which it is. */
export type LetterKey = {
  readonly atMicros: number;
  readonly messageId: string;
  readonly endpointId: string;
  readonly run: number;
};

const PATTERN = /^(-?\d{1,17})\.(msg_[0-9A-Za-z]{27})\.(ep_[0-9A-Za-z]{27})\.(\d{1,5})$/;

/** A key as one word of the characters that iterators are made of. */
export const formatLetterKey = (key: LetterKey): string =>
  `${key.atMicros}.${key.messageId}.${key.endpointId}.${key.run}`;

/** The opposite; null for anything else. */
export const parseLetterKey = (text: string): LetterKey | null => {
  const match = PATTERN.exec(text);
  if (match === null) return null;
  const [, atMicros, messageId, endpointId, run] = match as unknown as [
    string,
    string,
    string,
    string,
    string,
  ];
  const key = { atMicros: Number(atMicros), messageId, endpointId, run: Number(run) };
  return key.run <= 32_767 && Number.isSafeInteger(key.atMicros) ? key : null;
};
