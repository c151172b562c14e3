/** How many subscriptions one request may have signed. */
export const MAX_CHANNELS_PER_REQUEST = 100
