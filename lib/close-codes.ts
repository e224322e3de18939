/**
 * The close codes this plugin uses (RFC 6455 §7.4; 4401 is from its private range).
 * A client should reconnect after 1001, 1006, 1011, 1012 and 1013; after 4401 only with new credentials.
 */
export const closeCodes = Object.freeze({
  /** the view ended */
  NORMAL: 1000,
  /** shutdown */
  GOING_AWAY: 1001,
  /** the client broke RFC 6455 */
  PROTOCOL_ERROR: 1002,
  /** the wrong kind of frame for this view */
  UNSUPPORTED_DATA: 1003,
  /** a text message that is not UTF-8 */
  INVALID_PAYLOAD: 1007,
  /** policy: too many invalid messages, too many messages */
  POLICY_VIOLATION: 1008,
  /** a message larger than `maxPayload` */
  MESSAGE_TOO_BIG: 1009,
  /** the view failed */
  INTERNAL_ERROR: 1011,
  /** please reconnect */
  SERVICE_RESTART: 1012,
  /** too slow, or overloaded */
  TRY_AGAIN_LATER: 1013,
  /** the credentials of this socket are over */
  CREDENTIALS_OVER: 4401
} as const)
