import { ConnectionLost } from './redis-connection.ts'
import type { RedisClient } from './redis-client.ts'

// In a Redis Cluster every node passes what is published to it on to all the others, so one node is enough to subscribe
// at, whatever the channel. But only what is published to one and the same node keeps its order on the way: each channel
// has its node, chosen alike by all processes. (Sharded pub/sub would spare the nodes the copies.)

/**
 * The node that a channel is published to: the one with the highest weight for it (rendezvous hashing), so that a node
 * that goes away moves only its own channels.
 *
 * @throws ConnectionLost when no node is known
 */
export function nodeOf (cluster: RedisClient, channel: string): RedisClient {
  let best: RedisClient | undefined
  let bestWeight = -1
  for (const node of cluster.nodes!('master')) {
    const weight = hash(`${node.options.host}:${node.options.port} ${channel}`)
    if (weight > bestWeight) {
      best = node
      bestWeight = weight
    }
  }
  if (best === undefined) throw new ConnectionLost()
  return best
}

/**
 * Clients to subscribe with: of any node that is there, another one after each failure.
 *
 * @param options - for each of them
 */
export function subscribersOf (cluster: RedisClient, options: object): () => RedisClient | undefined {
  let turn = Math.floor(Math.random() * 1000) // not the same node for every process
  return () => {
    if (cluster.status === 'wait') cluster.connect().catch(() => {}) // its own 'error' tells of it
    const nodes = cluster.nodes!('all')
    // a client that has lost its node ends, and makes room for one of another node
    return nodes.length === 0 ? undefined : nodes[turn++ % nodes.length]!.duplicate({ ...options, retryStrategy: null, readOnly: false })
  }
}

/** FNV-1a, 32 bits (https://datatracker.ietf.org/doc/html/draft-eastlake-fnv) */
function hash (text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  // the last characters alone would hardly reach the upper bits
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return (hash ^ (hash >>> 13)) >>> 0
}
