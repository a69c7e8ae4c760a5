/** SPEC §8: default TCP port 9000. By itself, so that the command line can name it without loading libp2p. */
export const DEFAULT_LISTEN = '/ip4/0.0.0.0/tcp/9000'
