/** An operator over the API, the recipient by an inbound message, or the vendor that told of an opt-out. */
export const SUPPRESSION_SOURCES = ['operator', 'inbound', 'vendor'] as const;
export type SuppressionSource = (typeof SUPPRESSION_SOURCES)[number];
