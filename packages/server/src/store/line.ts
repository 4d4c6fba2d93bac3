/** What statements say of deliveries in an order; see migration 028. */

/** Added to the priority of a delivery that has an order. */
export const IN_LINE = 3;

/** The priority of a delivery as it is stored. */
export const storedPriority = (priority: number, orderKey: string | null): number =>
  orderKey === null ? priority : priority + IN_LINE;

/** The key that a message's deliveries have at an endpoint, by their aliases. */
export const orderKeyOf = (endpoint: string, message: string): string =>
  `case when ${endpoint}.fifo then '' else ${message}.ordering_key end`;

/** What a replay needs of a letter's place: the key is what it is now, the place what it was. */
export const placeOfReplay = (orderKey: string, seq: string): string =>
  `case when ${orderKey} is not null then coalesce(${seq}, nextval('live_seq')) end`;

/** The condition of the index of what has an order and waits for its time. */
export const isTimed = `order_key is not null and state = 'waiting' and (seq is null or attempts + throttled + unknowns > 0)`;
